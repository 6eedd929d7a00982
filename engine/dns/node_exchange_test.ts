import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { dnsPacket, type PacketRecord } from "./dns_packet.ts";
import { nodeExchange } from "./node_exchange.ts";
import type { DnsAnswer } from "./resolver.ts";
import type { DnsServer } from "./servers.ts";
import { StubResolver, type StubResolverOptions } from "./stub_resolver.ts";
import {
  type Behaviour,
  framed,
  type HostileServer,
  nameIn,
  reply,
  startHostileServer,
} from "./testdata/hostile_server.ts";

const ADDRESS: PacketRecord = { type: "A", name: "mx.example", ttl: 60, data: "192.0.2.1" };
const FOUND: DnsAnswer<string> = {
  kind: "found",
  records: ["192.0.2.1"],
  ttlS: 60,
  authenticated: false,
};

function tempfail(reason: string) {
  return { kind: "tempfail", reason };
}

async function ask(
  behaviour: Behaviour,
  options: Partial<StubResolverOptions> & { name?: string } = {},
): Promise<{ answer: DnsAnswer<string>; seen: HostileServer["seen"] }> {
  await using server = await startHostileServer(behaviour);
  await using resolver = resolverOf([server.address], options);
  return { answer: await resolver.a(options.name ?? "mx.example"), seen: server.seen };
}

function resolverOf(servers: readonly DnsServer[], options: Partial<StubResolverOptions> = {}) {
  return new StubResolver({
    servers,
    exchange: nodeExchange,
    timeoutMs: 200,
    attempts: 2,
    now: () => 0,
    ...options,
  });
}

Deno.test("nodeExchange: the query asks for recursion, AD and 1232 octets", async () => {
  let query: Buffer = Buffer.alloc(0);
  const { answer } = await ask({
    udp: (octets, via) => {
      query = octets;
      via.send(reply(octets, [ADDRESS]));
    },
  });
  assert.deepEqual(answer, FOUND);
  assert.equal(query.readUInt16BE(2), 0x0120);
  // The OPT record: root, type 41, the size as its class.
  assert.deepEqual([...query.subarray(-11, -6)], [0, 0, 41, 4, 208]);
});

Deno.test("nodeExchange: the AD bit is reported", async () => {
  const flags = dnsPacket.RECURSION_AVAILABLE | dnsPacket.AUTHENTIC_DATA;
  const { answer } = await ask({ udp: (q, via) => via.send(reply(q, [ADDRESS], { flags })) });
  assert.deepEqual(answer, { ...FOUND, authenticated: true });
});

for (
  const [rcode, expected] of [
    [2, tempfail("servfail")],
    [5, tempfail("refused")],
    [9, tempfail("servfail")],
    [3, { kind: "nxdomain" }],
    [0, { kind: "nodata" }],
  ] as const
) {
  Deno.test(`nodeExchange: RCODE ${rcode} without records keeps its meaning`, async () => {
    const { answer, seen } = await ask({
      udp: (q, via) => via.send(reply(q, [], { flags: rcode })),
    });
    assert.deepEqual(answer, expected);
    assert.equal(seen.udp, 1, "the one server there is has spoken");
  });
}

Deno.test("nodeExchange: an extended RCODE is a failure (RFC 6891 §6.1.3)", async () => {
  const additionals = [{ type: "OPT", name: ".", extendedRcode: 1, options: [] }];
  const { answer } = await ask({ udp: (q, via) => via.send(reply(q, [], { additionals })) });
  assert.deepEqual(answer, tempfail("servfail"));
});

Deno.test("nodeExchange: silence is a timeout, after every attempt", async () => {
  const { answer, seen } = await ask({});
  assert.deepEqual(answer, tempfail("timeout"));
  assert.deepEqual(seen, { udp: 2, tcp: 0 });
});

Deno.test("nodeExchange: a wrong id, question or source is no reply (RFC 5452 §9.1)", async () => {
  const forged: PacketRecord = { ...ADDRESS, data: "203.0.113.66" };
  const { answer } = await ask({
    udp: (q, via) => {
      via.sendElsewhere(reply(q, [forged]));
      via.send(reply(q, [forged], { id: q.readUInt16BE(0) ^ 1 }));
      via.send(reply(q, [forged], { questions: [{ type: "A", name: "mx.exampla" }] }));
      via.send(reply(q, [forged], { questions: [{ type: "AAAA", name: "mx.example" }] }));
      via.send(reply(q, [forged], { questions: [] }));
      via.send(q);
      via.send(Buffer.alloc(3));
      setTimeout(() => via.send(reply(q, [ADDRESS])), 20);
    },
  });
  assert.deepEqual(answer, FOUND);
});

Deno.test("nodeExchange: nothing but forgeries from elsewhere is a timeout", async () => {
  const { answer } = await ask({ udp: (q, via) => via.sendElsewhere(reply(q, [ADDRESS])) });
  assert.deepEqual(answer, tempfail("timeout"));
});

Deno.test("nodeExchange: who guesses ids drives the question to TCP", async () => {
  const { answer, seen } = await ask({
    udp: (q, via) => {
      for (let guess = 1; guess <= 8; guess++) {
        via.send(reply(q, [{ ...ADDRESS, data: "203.0.113.66" }], {
          id: q.readUInt16BE(0) ^ guess,
        }));
      }
    },
    tcp: (q, socket) => socket.write(framed(reply(q, [ADDRESS]))),
  });
  assert.deepEqual(answer, FOUND);
  assert.equal(seen.tcp, 1);
});

Deno.test("nodeExchange: a truncated reply is asked for over TCP (RFC 7766 §5)", async () => {
  const many = Array.from({ length: 3000 / 16 }, (_, i) => ({ ...ADDRESS, data: `192.0.2.${i}` }));
  const { answer, seen } = await ask({
    udp: (q, via) => via.send(reply(q, many.slice(0, 3), { flags: dnsPacket.TRUNCATED_RESPONSE })),
    tcp: (q, socket) => {
      const octets = framed(reply(q, many));
      // Cut inside the length and inside the message.
      socket.write(octets.subarray(0, 1));
      setTimeout(() => socket.write(octets.subarray(1, 1000)), 5);
      setTimeout(() => socket.write(octets.subarray(1000)), 10);
    },
  });
  assert.deepEqual(seen, { udp: 1, tcp: 1 });
  assert.equal(answer.kind === "found" && answer.records.length, many.length);
});

Deno.test("nodeExchange: a datagram above the size asked for is fetched over TCP", async () => {
  const many = Array.from({ length: 90 }, () => ({ ...ADDRESS, data: "203.0.113.66" }));
  const { answer, seen } = await ask({
    udp: (q, via) => via.send(reply(q, many)),
    tcp: (q, socket) => socket.write(framed(reply(q, [ADDRESS]))),
  });
  assert.deepEqual(answer, FOUND);
  assert.deepEqual(seen, { udp: 1, tcp: 1 });
});

for (
  const [title, tcp, expected] of [
    ["half a message", (q, s) => s.end(framed(reply(q, [ADDRESS])).subarray(0, 30)), "malformed"],
    ["half a length", (_, s) => s.end(Buffer.of(0)), "malformed"],
    ["nothing", (_, s) => s.end(), "unreachable"],
    ["silence", () => {}, "timeout"],
    ["a wrong id", (q, s) => s.write(framed(reply(q, [ADDRESS], { id: 1 }))), "malformed"],
    ["an empty message", (_, s) => s.write(Buffer.alloc(2)), "malformed"],
    [
      "truncation again",
      (q, s) => s.write(framed(reply(q, [], { flags: dnsPacket.TRUNCATED_RESPONSE }))),
      "malformed",
    ],
  ] satisfies [string, Behaviour["tcp"], string][]
) {
  Deno.test(`nodeExchange: ${title} over TCP is ${expected}`, async () => {
    const { answer } = await ask({
      udp: (q, via) => via.send(reply(q, [], { flags: dnsPacket.TRUNCATED_RESPONSE })),
      tcp,
    }, { randomId: () => 7, attempts: 1 });
    assert.deepEqual(answer, tempfail(expected));
  });
}

Deno.test("nodeExchange: a garbled reply to the right question is malformed", async () => {
  const { answer } = await ask({
    udp: (q, via) => via.send(reply(q, [ADDRESS]).subarray(0, -3)),
  });
  assert.deepEqual(answer, tempfail("malformed"));
});

Deno.test("nodeExchange: records of another name alone are malformed, not none", async () => {
  const { answer } = await ask({
    udp: (q, via) => via.send(reply(q, [{ ...ADDRESS, name: "other.example" }])),
  });
  assert.deepEqual(answer, tempfail("malformed"));
});

Deno.test("nodeExchange: a CNAME loop is a failure, within one reply or over several", async () => {
  const within = await ask({
    udp: (q, via) =>
      via.send(reply(q, [
        { type: "CNAME", name: "mx.example", ttl: 60, data: "b.example" },
        { type: "CNAME", name: "b.example", ttl: 60, data: "mx.example" },
      ])),
  });
  assert.deepEqual(within.answer, tempfail("cname_loop"));
  assert.equal(within.seen.udp, 1);

  let hops = 0;
  const over = await ask({
    udp: (q, via) =>
      via.send(reply(q, [{ type: "CNAME", name: nameIn(q), ttl: 60, data: `n${hops++}.example` }])),
  }, { timeoutMs: 2000 });
  assert.deepEqual(over.answer, tempfail("cname_loop"));
  assert.equal(over.seen.udp, 13);
});

Deno.test("nodeExchange: a chain the server breaks off is taken up (RFC 1034 §5.3.3)", async () => {
  const { answer } = await ask({
    udp: (q, via) =>
      via.send(
        nameIn(q) === "www.example"
          ? reply(q, [{ type: "CNAME", name: "www.example", ttl: 9, data: "mx.example" }])
          : reply(q, [ADDRESS]),
      ),
  }, { name: "www.example" });
  assert.deepEqual(answer, { ...FOUND, ttlS: 9 });
});

Deno.test("nodeExchange: a server without EDNS is asked again in plain DNS (RFC 6891 §7)", async () => {
  for (const isHeaderAlone of [true, false]) {
    const { answer, seen } = await ask({
      udp: (q, via) => {
        const knows = q.readUInt16BE(10) === 0;
        const refusal = reply(q, [], { flags: 1, ...(isHeaderAlone ? { questions: [] } : {}) });
        via.send(knows ? reply(q, [ADDRESS]) : refusal);
      },
    });
    assert.deepEqual(answer, FOUND);
    assert.equal(seen.udp, 2);
  }
});

Deno.test("StubResolver: a failing server's question goes to the next, later ones too", async () => {
  await using dead = await startHostileServer({});
  await using lame = await startHostileServer({
    udp: (q, via) =>
      via.send(
        reply(q, [], {
          flags: 0,
          authorities: [{ type: "NS", name: "example", data: "ns.example" }],
        }),
      ),
  });
  await using good = await startHostileServer({
    udp: (q, via) => via.send(reply(q, [{ ...ADDRESS, name: nameIn(q) }])),
  });
  await using resolver = resolverOf([dead.address, lame.address, good.address], { attempts: 3 });
  assert.deepEqual(await resolver.a("mx.example"), FOUND);
  assert.deepEqual(await resolver.a("other.example"), FOUND);
  assert.deepEqual([dead.seen.udp, lame.seen.udp, good.seen.udp], [1, 1, 2]);
});

Deno.test("StubResolver: the total deadline holds over attempts and chains", async () => {
  let hops = 0;
  const startedAtMs = performance.now();
  const { answer } = await ask({
    udp: (q, via) => {
      const next = reply(q, [{ type: "CNAME", name: nameIn(q), data: `n${hops++}.example` }]);
      setTimeout(() => via.send(next), 60);
    },
  });
  assert.deepEqual(answer, tempfail("timeout"));
  assert.ok(performance.now() - startedAtMs < 450);
});
