/** A real ACME issuer gives and renews certificates, which a running server puts to use at once. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { startPebble } from "../fixtures/pebble.ts";
import { freePort } from "../fixtures/ports.ts";
import { until } from "../fixtures/process.ts";
import { type ServerFixture, startServer } from "../fixtures/server.ts";

const NAME = "mail.example.org";
const WILDCARD = "*.example.net";
/** Renewed after two thirds of it. */
const VALIDITY_S = 21;

interface Listed {
  readonly name: string;
  readonly isIssued: boolean;
  readonly notAfterMs: number | null;
  readonly fault: string | null;
}

function shakeHands(port: number, servername: string | null, ca: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const asks = servername === null ? { checkServerIdentity: () => undefined } : { servername };
    const socket = connectTls({ host: "127.0.0.1", port, ca: [ca], ...asks });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** The serial number of the certificate a client of that name gets, checked up to the issuer's root. */
async function servedTo(server: ServerFixture, servername: string | null, ca: string) {
  const socket = await shakeHands(server.ports.smtps, servername, ca);
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return new X509Certificate(raw).serialNumber;
}

Deno.test("acme: issues by http-01 and dns-01, renews, and serves without a restart", async (t) => {
  const httpPort = freePort();
  await using pebble = await startPebble({ httpPort, validityS: VALIDITY_S });
  if (pebble === null) return console.warn("skipped: pebble is not installed");
  const told: string[] = [];
  await using hook = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (r) => {
      if (r.headers.get("authorization") !== `Basic ${btoa("dns:pass word")}`) {
        return new Response(null, { status: 401 });
      }
      const { action, name, value } = await r.json();
      told.push(`${action} ${name}`);
      await pebble.setTxt(name, action === "publish" ? value : null);
      return new Response(null, { status: 204 });
    },
  );
  await using server = await startServer({
    SERVER_HOSTNAME: NAME,
    ACME_DIRECTORY_URL: pebble.directoryUrl,
    ACME_EMAIL: "postmaster@example.org",
    ACME_HTTP_PORT: String(httpPort),
    ACME_DNS_HOOK: `http://dns:pass%20word@127.0.0.1:${hook.addr.port}/`,
    DENO_CERT: pebble.caPath,
  });
  const root = await pebble.root();
  const list = async (): Promise<Listed[]> =>
    JSON.parse(await server.cli("cert", "list", "--json"));
  const issued = async (name: string) =>
    (await list()).find((each) => each.name === name && each.isIssued && each.fault === null);
  const isServed = (name: string) => servedTo(server, name, root).then(() => true, () => false);

  await t.step("http-01: the name's certificate, for those who ask for none too", async () => {
    await assert.rejects(servedTo(server, NAME, root));
    await server.cli("cert", "request", NAME);
    await until(() => isServed(NAME), 30_000);
    await server.cli("cert", "request", WILDCARD);
    assert.equal(
      await servedTo(server, null, root),
      await servedTo(server, NAME, root),
    );
  });

  const session = await shakeHands(server.ports.smtps, NAME, root);
  let said = "";
  session.on("data", (chunk: Buffer) => said += chunk.toString("latin1"));
  await until(() => said.startsWith("220 "));

  await t.step("dns-01: a wildcard, published and removed by the hook", async () => {
    await until(() => isServed("imap.example.net"), 30_000);
    const record = "_acme-challenge.example.net";
    assert.deepEqual(told.slice(0, 2), [`publish ${record}`, `remove ${record}`]);
  });

  await t.step("renewal: another certificate in time, while sessions go on", async () => {
    const before = await issued(NAME);
    const first = await servedTo(server, NAME, root);
    await until(async () => await servedTo(server, NAME, root) !== first, 40_000);
    const after = await issued(NAME);
    assert.ok(after!.notAfterMs! > before!.notAfterMs!);
    said = "";
    session.write("EHLO client.test\r\n");
    await until(() => /^250 /m.test(said));
    session.destroy();
  });

  await t.step("failure: told in the list, and tried again later", async () => {
    await pebble.setServfail("www.example.com");
    await server.cli("cert", "request", "www.example.com");
    const faultOf = async () =>
      (await list()).find(({ name }) => name === "www.example.com")?.fault ?? null;
    await until(async () => await faultOf() !== null, 60_000);
    assert.match(String(await faultOf()), /www\.example\.com|DNS|SERVFAIL/i);
    assert.match(
      await server.cli("cert", "list"),
      /www\.example\.com .* not issued yet.* tried again at/,
    );
  });

  const log = server.log();
  assert.match(log, /"event":"certificate_issued"/);
  assert.doesNotMatch(log, /pass word|pass%20word|PRIVATE KEY/);
  assert.match(await server.metrics(), /smtp_certificates_issued_total\{outcome="issued"\} [2-9]/);
});
