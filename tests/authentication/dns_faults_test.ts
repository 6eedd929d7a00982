/**
 * Faults of the DNS as a client sees them over SMTP: mail whose judgement hangs on an answer that does not come is
 * put off, never refused, and taken once the fault is gone.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { dnsPacket } from "../../engine/dns/dns_packet.ts";
import {
  type Behaviour,
  framed,
  nameIn,
  reply,
  startHostileServer,
} from "../../engine/dns/testdata/hostile_server.ts";
import { ZoneResolver } from "../../engine/dns/zone_resolver.ts";
import { resultsFields } from "../fixtures/authentication_results.ts";
import { typeIn, zoneAnswer } from "../fixtures/dns_server.ts";
import { speak } from "../fixtures/judged_mail.ts";
import { newCopies, queueIdOf, readCopy } from "../fixtures/maildir.ts";
import { until } from "../fixtures/process.ts";
import { startServer } from "../fixtures/server.ts";

const HEALING_MS = 30_000;
const RETRY_MS = 250;

interface Fault extends Behaviour {
  /** The names it hits; all of the domain unless told. */
  readonly hits?: "policy" | "spf";
}

const askedIn = (query: Buffer) => typeIn(query) ?? "A";
const coded = (rcode: number): Behaviour["udp"] => (query, { send }) =>
  send(reply(query, [], { asked: askedIn(query), flags: rcode }));
const truncated: Behaviour["udp"] = (query, { send }) =>
  send(reply(query, [], { asked: askedIn(query), flags: dnsPacket.TRUNCATED_RESPONSE }));
const text = (query: Buffer) => ({
  type: "TXT",
  name: nameIn(query),
  ttl: 0,
  data: ["v=spf1 -all"],
});
const cname = (query: Buffer, name: string, data: string) =>
  reply(query, [{ type: "CNAME", name, ttl: 0, data }], { asked: askedIn(query) });

/** A reply of so many texts, each a pointer and 16 octets: more than a datagram, or a reader, has room for. */
function swollen(query: Buffer, count: number): Buffer {
  const head = reply(query, [], { asked: askedIn(query) });
  head.writeUInt16BE(count, 6);
  const record = Buffer.from("c00c001000010000000000060576000000" + "00", "hex");
  return Buffer.concat([head, ...Array.from({ length: count }, () => record)]);
}

/** By the domain they are seen under. */
const FAULTS: Readonly<Record<string, Fault>> = {
  servfail: { udp: coded(2) },
  "servfail-for-the-policy": { udp: coded(2), hits: "policy" },
  "servfail-for-spf": { udp: coded(2), hits: "spf" },
  refused: { udp: coded(5) },
  timeout: {},
  "truncation-without-tcp": { udp: truncated, tcp: (_, socket) => socket.destroy() },
  "truncation-over-tcp-too": {
    udp: truncated,
    tcp: (query, socket) =>
      socket.end(
        framed(reply(query, [], { asked: askedIn(query), flags: dnsPacket.TRUNCATED_RESPONSE })),
      ),
  },
  "wrong-id": {
    udp: (query, { send }) =>
      send(reply(query, [text(query)], { asked: "TXT", id: query.readUInt16BE(0) ^ 1 })),
  },
  "wrong-question": {
    udp: (query, { send }) =>
      send(
        reply(query, [text(query)], { questions: [{ type: "TXT", name: "other.example" }] }),
      ),
  },
  "answer-from-elsewhere": {
    udp: (query, { sendElsewhere }) => sendElsewhere(reply(query, [text(query)], { asked: "TXT" })),
  },
  "cname-loop": {
    udp: (query, { send }) => send(cname(query, nameIn(query), nameIn(query))),
  },
  "oversized-without-tcp": {
    udp: (query, { send }) => send(swollen(query, 100)),
    tcp: (_, socket) => socket.destroy(),
  },
  "oversized-over-tcp": {
    udp: truncated,
    tcp: (query, socket) => socket.end(framed(swollen(query, 2001))),
  },
  garbage: {
    udp: (query, { send }) => send(reply(query, [text(query)], { asked: "TXT" }).subarray(0, -3)),
  },
};

const ZONE = new ZoneResolver(Object.fromEntries(
  Object.keys(FAULTS).flatMap((label) => [
    [`${label}.example`, { txt: ["v=spf1 ip4:127.0.0.1 -all"], ttlS: 0 }],
    [`_dmarc.${label}.example`, { txt: ["v=DMARC1; p=reject"], ttlS: 0 }],
  ]),
));

Deno.test("faults of the DNS over SMTP: 4xx while they last, the same message accepted behind them", async (test) => {
  const healed = new Set<string>();
  const faultFor = (query: Buffer): Fault | null => {
    const name = nameIn(query).toLowerCase();
    const label = /(?:^|\.)([a-z-]+)\.example$/.exec(name)?.[1] ?? "";
    const fault = healed.has(label) ? undefined : FAULTS[label];
    const isPolicy = name.startsWith("_dmarc.");
    if (fault?.hits === undefined) return fault ?? null;
    return isPolicy === (fault.hits === "policy") ? fault : null;
  };
  await using dns = await startHostileServer({
    udp: async (query, via) => {
      const fault = faultFor(query);
      if (fault !== null) return fault.udp?.(query, via);
      via.send((await zoneAnswer(query, ZONE))!);
    },
    tcp: async (query, socket) => {
      const fault = faultFor(query);
      if (fault !== null) return fault.tcp?.(query, socket);
      socket.end(framed((await zoneAnswer(query, ZONE))!));
    },
  });
  await using server = await startServer({
    ...{ TRUSTED_NETWORKS: "none", ENABLE_SPAM_FILTER: "false", LOG_LEVEL: "warning" },
    RATE_CONNECTIONS_PER_IP: "off",
    DNS_SERVERS: `127.0.0.1:${dns.address.port}`,
  });
  const send = (label: string) =>
    speak({
      ...{ clientAddress: "127.0.0.1", heloName: "client.nobody.example" },
      from: `FROM:<ann@${label}.example>`,
      message: `From: ann@${label}.example\r\nSubject: hello\r\n\r\nHello\r\n`,
    }, server.ports.smtp);
  const assertDeferred = (said: Awaited<ReturnType<typeof send>>) => {
    assert.equal(said.kind, "refused");
    assert.match(said.kind === "refused" ? said.reply : "", /^451 4\.(?:7\.24|4\.3) /);
  };
  const runs = Object.keys(FAULTS).map(async (label) => {
    assertDeferred(await send(label));
    healed.add(label);
    // A failure is remembered for a moment.
    let queueId = "";
    await until(async () => {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      const said = await send(label);
      if (said.kind === "queued") queueId = said.queueId;
      else assertDeferred(said);
      return queueId !== "";
    }, HEALING_MS);
    const nameOf = () => newCopies(server.mailbox).find((name) => queueIdOf(name) === queueId);
    await until(() => nameOf() !== undefined, HEALING_MS);
    const header = readCopy(server.mailbox, nameOf()!).octets.toString("latin1");
    const [{ results }] = resultsFields(header);
    const verdicts = results.filter(({ method }) => method === "spf" || method === "dmarc")
      .map(({ method, verdict }) => `${method}=${verdict}`);
    assert.deepEqual(verdicts, ["spf=pass", "spf=none", "dmarc=pass"]);
  });
  const ends = await Promise.allSettled(runs);
  for (const [at, label] of Object.keys(FAULTS).entries()) {
    await test.step(label, () => {
      const end = ends[at];
      if (end.status === "rejected") throw end.reason;
    });
  }
});
