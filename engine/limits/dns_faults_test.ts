/**
 * What every fault of a DNS server comes to, over real sockets: nobody is refused for good, and whoever asked
 * is told "not known", not "no".
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { checkSpf } from "../auth/spf.ts";
import { dnsPacket, type PacketRecord } from "../dns/dns_packet.ts";
import { nodeExchange } from "../dns/node_exchange.ts";
import { StubResolver } from "../dns/stub_resolver.ts";
import {
  type Behaviour,
  framed,
  nameIn,
  reply,
  startHostileServer,
} from "../dns/testdata/hostile_server.ts";
import type { ClientFacts } from "../spam/facts.ts";
import { judgeConnection } from "./connection_policy.ts";
import { parseDnsLists } from "./dns_list_zones.ts";
import { explainListing, lookUpLists } from "./dns_lists.ts";
import { checkHeloName } from "./helo_name.ts";
import { lookUpLinks } from "./link_lists.ts";
import { ListHealth } from "./list_health.ts";
import { confirmReverseName } from "./reverse_name.ts";

const CLIENT = "192.0.2.1";
const STRICT = { listRejectWeight: 1, reverseDns: "require", helo: "require" } as const;
const TYPES = new Map([[1, "A"], [12, "PTR"], [15, "MX"], [16, "TXT"], [28, "AAAA"]]);

/** What a sound server says: the client has a name, may send for it, and is listed. */
const TRUTH: Readonly<Record<string, PacketRecord["data"]>> = {
  "PTR 1.2.0.192.in-addr.arpa": "mx.example",
  "A mx.example": CLIENT,
  "TXT mx.example": ["v=spf1 ip4:192.0.2.1 -all"],
  "A 1.2.0.192.bl.example": "127.0.0.2",
  "TXT 1.2.0.192.bl.example": ["see bl.example"],
  "A bad.com.bl.example": "127.0.0.2",
};

function typeIn(query: Buffer): string {
  let at = 12;
  while (query[at] !== 0) at += query[at] + 1;
  return TYPES.get(query.readUInt16BE(at + 1)) ?? "A";
}

function sound(query: Buffer, changes: Parameters<typeof reply>[2] = {}): Buffer {
  const type = typeIn(query);
  const name = nameIn(query);
  const data = TRUTH[`${type} ${name}`];
  const answers = data === undefined ? [] : [{ type, name, ttl: 60, data }];
  const missing = answers.length === 0 ? { flags: 0x0083 } : {};
  return reply(query, answers, { asked: type, ...missing, ...changes });
}

/** A reply of so many records, 16 octets each: more than a datagram, or a reader, has room for. */
function swollen(query: Buffer, count: number): Buffer {
  const head = reply(query, [], { asked: typeIn(query) });
  head.writeUInt16BE(count, 6);
  const record = Buffer.from("c00c00010001000000000004" + "7f000002", "hex");
  return Buffer.concat([head, ...Array.from({ length: count }, () => record)]);
}

async function inquire(behaviour: Behaviour, timeoutMs = 160) {
  await using server = await startHostileServer(behaviour);
  await using resolver = new StubResolver({
    servers: [server.address],
    exchange: nodeExchange,
    timeoutMs,
    attempts: 2,
  });
  const read = parseDnsLists("bl.example");
  assert.ok(read.kind === "lists");
  const { lists } = read;
  const health = new ListHealth({ lists, now: () => 0 });
  const options = { lists, health, resolver, deadlineMs: 10_000 };
  const [hits, links, explanation, reverse, heloFaults, spf] = await Promise.all([
    lookUpLists(CLIENT, options),
    lookUpLinks(["www.bad.com"], { ...options, maxDomains: 5 }),
    explainListing({ zone: "bl.example", value: "127.0.0.2", weight: 1, subject: CLIENT }, options),
    confirmReverseName(CLIENT, options),
    checkHeloName("mx.example", { ...options, clientAddress: CLIENT, isOurName: () => false }),
    checkSpf({
      clientAddress: CLIENT,
      heloName: "mx.example",
      reversePath: "ann@mx.example",
      hostname: "mx.ours.example",
      resolver,
      nowMs: 0,
      timeoutMs: 10_000,
    }),
  ]);
  const facts: ClientFacts = {
    address: CLIENT,
    reverse,
    heloName: "mx.example",
    heloFaults,
    lists: hits,
  };
  const decision = judgeConnection(facts, STRICT, { isExempt: false, listExplanation: null });
  return {
    lists: hits.length,
    links: links.length,
    explanation,
    reverse: reverse.verdict,
    heloFaults,
    spf: [spf.helo.verdict, spf.mfrom.verdict],
    refusal: decision.kind === "ok" ? null : `${decision.rule} ${decision.reply.severity}`,
  };
}

const NOT_KNOWN = {
  lists: 0,
  links: 0,
  explanation: null,
  reverse: "temperror",
  heloFaults: [],
  spf: ["temperror", "temperror"],
  refusal: "reverse_dns transient",
};

const KNOWN = {
  lists: 1,
  links: 1,
  explanation: "see bl.example",
  reverse: "pass",
  heloFaults: [],
  spf: ["pass", "pass"],
  refusal: "dns_list permanent",
};

const truncated: Behaviour["udp"] = (query, via) =>
  via.send(reply(query, [], { asked: typeIn(query), flags: dnsPacket.TRUNCATED_RESPONSE }));

for (
  const [fault, behaviour] of [
    ["SERVFAIL", {
      udp: (q, via) => via.send(reply(q, [], { asked: typeIn(q), flags: 2 })),
    }],
    ["REFUSED", {
      udp: (q, via) => via.send(reply(q, [], { asked: typeIn(q), flags: 5 })),
    }],
    ["silence", {}],
    ["truncation, and no TCP", { udp: truncated, tcp: (_, socket) => socket.destroy() }],
    ["truncation, over TCP too", {
      udp: truncated,
      tcp: (q, socket) => socket.end(framed(sound(q, { flags: dnsPacket.TRUNCATED_RESPONSE }))),
    }],
    ["truncation, and TCP cut short", {
      udp: truncated,
      tcp: (q, socket) => socket.end(framed(sound(q)).subarray(0, -3)),
    }],
    ["a wrong id", {
      udp: (q, via) => via.send(sound(q, { id: q.readUInt16BE(0) ^ 1 })),
    }],
    ["a wrong id, over TCP too", {
      udp: truncated,
      tcp: (q, socket) => socket.end(framed(sound(q, { id: q.readUInt16BE(0) ^ 1 }))),
    }],
    ["a wrong question", {
      udp: (q, via) =>
        via.send(sound(q, { questions: [{ type: typeIn(q), name: "other.example" }] })),
    }],
    ["a reply from elsewhere", { udp: (q, via) => via.sendElsewhere(sound(q)) }],
    ["a CNAME loop in one reply", {
      udp: (q, via) =>
        via.send(reply(q, [
          { type: "CNAME", name: nameIn(q), ttl: 60, data: "loop.example" },
          { type: "CNAME", name: "loop.example", ttl: 60, data: nameIn(q) },
        ], { asked: typeIn(q) })),
    }],
    ["a CNAME loop over replies", {
      udp: (q, via) => {
        const data = nameIn(q) === "a.loop.example" ? "b.loop.example" : "a.loop.example";
        const cname = { type: "CNAME", name: nameIn(q), ttl: 60, data };
        via.send(reply(q, [cname], { asked: typeIn(q) }));
      },
    }],
    ["an oversized datagram, and no TCP", {
      udp: (q, via) => via.send(swollen(q, 100)),
      tcp: (_, socket) => socket.destroy(),
    }],
    ["an oversized message over TCP", {
      udp: truncated,
      tcp: (q, socket) => socket.end(framed(swollen(q, 2001))),
    }],
    ["an answer about another name", {
      udp: (q, via) => {
        const data = TRUTH[`${typeIn(q)} ${nameIn(q)}`] ?? TRUTH["A mx.example"];
        const record = { type: data === CLIENT ? "A" : typeIn(q), name: "other.example", data };
        via.send(reply(q, [record], { asked: typeIn(q) }));
      },
    }],
    ["garbage", {
      udp: (q, via) => via.send(Buffer.concat([sound(q).subarray(0, -3), Buffer.alloc(1, 0xff)])),
    }],
  ] satisfies [string, Behaviour][]
) {
  Deno.test(`faults of the DNS: ${fault} is not knowing and refuses nobody for good`, async () => {
    assert.deepEqual(await inquire(behaviour), NOT_KNOWN);
  });
}

for (
  const [title, behaviour] of [
    ["none", { udp: (q, via) => via.send(sound(q)) }],
    ["truncation, sound over TCP", {
      udp: truncated,
      tcp: (q, socket) => socket.end(framed(sound(q))),
    }],
    ["an oversized datagram, sound over TCP", {
      udp: (q, via) => via.send(swollen(q, 100)),
      tcp: (q, socket) => socket.end(framed(sound(q))),
    }],
    ["forgeries ahead of the reply", {
      udp: (q, via) => {
        via.sendElsewhere(sound(q, { flags: 3, answers: [] }));
        via.send(sound(q, { id: q.readUInt16BE(0) ^ 1, answers: [] }));
        via.send(sound(q, { questions: [{ type: typeIn(q), name: "x.example" }], answers: [] }));
        setTimeout(() => via.send(sound(q)), 10);
      },
    }],
  ] satisfies [string, Behaviour][]
) {
  Deno.test(`faults of the DNS: ${title} does not keep the truth away`, async () => {
    assert.deepEqual(await inquire(behaviour, 8000), KNOWN);
  });
}

Deno.test("faults of the DNS: a resolver that answers for names that do not exist lists nobody", async () => {
  const portal = (query: Buffer) =>
    reply(query, [{ type: "A", name: nameIn(query), ttl: 60, data: "198.51.100.80" }], {
      asked: typeIn(query),
    });
  const found = await inquire({
    udp: (q, via) => via.send(typeIn(q) === "A" ? portal(q) : sound(q)),
  });
  assert.deepEqual([found.lists, found.links], [0, 0]);
});
