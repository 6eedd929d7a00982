/** The doctor over a real DNS server: of every case, and of a domain from nothing to all that it asked for. */
import assert from "node:assert/strict";
import { nodeExchange } from "../../engine/dns/node_exchange.ts";
import { StubResolver } from "../../engine/dns/stub_resolver.ts";
import type { ZoneData } from "../../engine/dns/zone_resolver.ts";
import { examineDns } from "../../engine/doctor/examine.ts";
import { caseFacts, CASES, caseZones, zoneFiles } from "../../engine/doctor/testdata/cases.ts";
import { startNsd } from "../fixtures/nsd.ts";
import { freePort } from "../fixtures/ports.ts";
import { startRedis } from "../fixtures/redis.ts";
import { type CliRun, startServer } from "../fixtures/server.ts";

const HOST = "127.0.0.1";
const DOMAIN = "example.org";
const ADDRESS = "192.0.2.25";
const REVERSE = "25.2.0.192.in-addr.arpa";

interface Checked {
  readonly group: string;
  readonly subject: string;
  readonly verdict: string;
  readonly level: string;
  readonly reason: string;
}

function serve(zones: ReadonlyMap<string, string>, port: number) {
  return startNsd({ zones: Object.fromEntries(zones), host: HOST, port });
}

Deno.test("doctor: is right on a zone with each record right, wrong, missing, duplicated", async () => {
  const port = freePort();
  await using nsd = await serve(zoneFiles(caseZones()), port);
  if (nsd === null) return;
  await using resolver = new StubResolver({
    servers: [{ host: HOST, port }],
    exchange: nodeExchange,
  });
  const healthy = await examineDns(caseFacts(-1), resolver);
  assert.deepEqual(healthy.checks.filter(({ verdict }) => verdict !== "right"), []);
  for (const [index, { name, subject, verdict, reason }] of CASES.entries()) {
    const { checks } = await examineDns(caseFacts(index), resolver);
    const check = checks.find((each) => each.subject.startsWith(subject));
    assert.equal(check?.verdict, verdict, `${name}: ${check?.reason}`);
    assert.match(check.reason, reason, name);
  }
});

/** The printed records as zone files, the comments before reverse names taken away. */
function printedZones(text: string, more: ZoneData): ReadonlyMap<string, string> {
  const printed = text.slice(text.indexOf("; Records to publish")).split("\n\n")[0]
    .replace(/^; (?=\S+\.arpa\.)/gm, "").split("\n");
  const isReverse = (line: string) => /^\S+\.arpa\./.test(line);
  return new Map(
    Array.from(zoneFiles({ [DOMAIN]: {}, [REVERSE]: {}, ...more }), ([origin, head]) => {
      const lines = printed.filter((line) => isReverse(line) === origin.endsWith(".arpa"));
      return [origin, `${head}${lines.join("\n")}\n`];
    }),
  );
}

function checksOf({ out }: CliRun, group: string): readonly Checked[] {
  return JSON.parse(out).checks.filter((check: Checked) => check.group === group);
}

Deno.test("doctor: fails a domain with nothing published, and is content once what it printed is", async (test) => {
  const port = freePort();
  await using cleanup = new AsyncDisposableStack();
  const nothing = cleanup.use(await serve(printedZones("", {}), port));
  if (nothing === null) return;
  await using redis = await startRedis();
  await using server = await startServer({
    SERVER_HOSTNAME: `mx.${DOMAIN}`,
    SERVER_DOMAIN: DOMAIN,
    DNS_SERVERS: `${HOST}:${port}`,
    REDIS_URL: redis?.url ?? "",
  });
  const doctor = (...words: string[]) =>
    server.tryCli("doctor", DOMAIN, "--address", ADDRESS, ...words);
  let text = "";

  await test.step("everything is missing, which is exit code 1, and is told to programs too", async () => {
    const said = await doctor();
    assert.equal(said.code, 1, said.error);
    assert.match(
      said.out,
      /^ {2}FAIL {2}MX +example\.org has no MX record\n +-> publish the record given/m,
    );
    assert.match(said.out, /needs mending$/);
    assert.ok(!said.out.includes("\x1b"));
    text = said.out;
    const json = await doctor("--json");
    assert.equal(json.code, 1);
    const checks = checksOf(json, "dns");
    assert.equal(checks.length, 12);
    assert.deepEqual(checks.filter(({ verdict }) => verdict !== "missing"), []);
    assert.equal(JSON.parse(json.out).healthy, false);
  });

  await test.step("what it printed, taken as zone files, makes every record right", async () => {
    await nothing[Symbol.asyncDispose]();
    // The host of the MTA-STS policy is the operator's to choose.
    const zones = printedZones(text, { [`mta-sts.${DOMAIN}`]: { a: [ADDRESS] } });
    cleanup.use(await serve(zones, port));
    const json = await doctor("--json");
    const checks = checksOf(json, "dns");
    assert.equal(checks.length, 12);
    assert.deepEqual(checks.filter(({ verdict }) => verdict !== "right"), []);
    const rest = [...checksOf(json, "ports"), ...checksOf(json, "system")];
    assert.deepEqual(
      rest.filter(({ level }) => level !== "ok").map(({ subject, level }) => [subject, level]),
      [["certificate", "warn"]],
    );
    assert.deepEqual(rest.map(({ subject }) => subject.split(" ")[0]), [
      ...["smtp", "submission", "smtps", "certificate", "embedded", "clock"],
      ...(redis === null ? [] : ["Redis", "clock"]),
    ]);
    assert.equal(json.code, 0);
    assert.match((await doctor()).out, /mail works; see the warnings$/);
  });

  await test.step({
    name: "a store that is gone is told by what it says",
    ignore: redis === null,
    fn: async () => {
      await redis?.kill();
      const json = await doctor("--json");
      assert.equal(json.code, 1);
      const failing = checksOf(json, "system").filter(({ level }) => level === "fail");
      assert.deepEqual(failing.map(({ subject }) => subject), ["Redis"]);
      assert.match(failing[0].reason, /ECONNREFUSED/);
      await redis?.start();
    },
  });

  await test.step("a domain that is none of ours is not examined", async () => {
    const said = await server.tryCli("doctor", "elsewhere.example");
    assert.equal(said.code, 1);
    assert.match(said.error, /^no such domain: elsewhere\.example/);
    assert.equal((await server.tryCli("doctor", DOMAIN, "--address", "here")).code, 2);
  });
});
