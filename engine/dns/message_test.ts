import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { dnsPacket, type PacketRecord } from "./dns_packet.ts";
import { answersQuery, encodeQuery, readMessage } from "./message.ts";
import { canonicalAddress } from "./name.ts";
import type { RecordShapes, RecordType } from "./resolver.ts";
import { reply } from "./testdata/hostile_server.ts";

const TYPES: readonly RecordType[] = ["A", "AAAA", "CNAME", "MX", "PTR", "SRV", "TLSA", "TXT"];
const QUERY = encodeQuery({ name: "a.example", type: "A" }, { id: 0x1234, edns: true }) as Buffer;

function values<K extends RecordType>(type: K, records: PacketRecord[]): RecordShapes[K][] | null {
  const message = readMessage(reply(QUERY, records, { asked: type }), type);
  return message === null ? null : message.records.map((record) => record.value);
}

/** A reply with one record of this type whose data is these octets. */
function withData(typeCode: number, data: readonly number[]): Buffer {
  const head = reply(QUERY, []);
  head.writeUInt16BE(1, 6);
  const record = Buffer.from([0xc0, 12, 0, typeCode, 0, 1, 0, 0, 0, 60, 0, data.length, ...data]);
  return Buffer.concat([head, record]);
}

Deno.test("readMessage: never throws, whatever the octets", () => {
  const sound = reply(QUERY, [
    { type: "MX", name: "a.example", ttl: 60, data: { preference: 1, exchange: "mx.a.example" } },
    { type: "CNAME", name: "a.example", ttl: 60, data: "b.example" },
    { type: "TXT", name: "a.example", ttl: 60, data: ["abc", "def"] },
  ], {
    authorities: [{
      type: "SOA",
      name: "example",
      data: { mname: "ns.example", rname: "root.example", minimum: 5 },
    }],
  });
  const edits = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(edits, fc.nat(sound.length), fc.constantFrom(...TYPES), (edits, cut, type) => {
      const octets = Buffer.from(sound);
      for (const [at, octet] of edits) octets[at] = octet;
      readMessage(octets, type);
      readMessage(octets.subarray(0, cut), type);
      answersQuery(octets.subarray(0, cut), QUERY);
    }),
    { numRuns: 1000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...TYPES), (o, type) => {
      readMessage(o, type);
      answersQuery(o, QUERY);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("readMessage: a message cut anywhere within its records is malformed", () => {
  const sound = reply(QUERY, [{ type: "TXT", name: "a.example", ttl: 60, data: ["abc"] }]);
  for (let cut = 0; cut < sound.length; cut++) {
    assert.equal(readMessage(sound.subarray(0, cut), "TXT"), null, `cut at ${cut}`);
  }
  assert.notEqual(readMessage(sound, "TXT"), null);
});

Deno.test("readMessage: reads back every type", () => {
  const record = (type: string, data: unknown) => [{ type, name: "a.example", ttl: 60, data }];
  assert.deepEqual(values("A", record("A", "192.0.2.1")), ["192.0.2.1"]);
  assert.deepEqual(values("MX", record("MX", { preference: 10, exchange: "MX.Example" })), [
    { preference: 10, exchange: "mx.example" },
  ]);
  assert.deepEqual(values("MX", record("MX", { preference: 0, exchange: "." })), [
    { preference: 0, exchange: "." },
  ]);
  assert.deepEqual(values("PTR", record("PTR", "host.example")), ["host.example"]);
  assert.deepEqual(values("CNAME", record("CNAME", "b.example")), ["b.example"]);
  const srv = { priority: 1, weight: 2, port: 587, target: "Host.Example" };
  assert.deepEqual(values("SRV", record("SRV", srv)), [{ ...srv, target: "host.example" }]);
  const text = record("TXT", [
    Buffer.from("v=spf1 "),
    Buffer.from([0xff, 0x00]),
    Buffer.from("-all"),
  ]);
  assert.deepEqual(values("TXT", text), ["v=spf1 \u00ff\u0000-all"]);
  const tlsa = { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from("ab01", "hex") };
  assert.deepEqual(values("TLSA", record("TLSA", tlsa)), [
    { ...tlsa, certificate: Uint8Array.of(0xab, 1) },
  ]);
});

Deno.test("readMessage: an AAAA record has the form of RFC 5952", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (octets) => {
    const message = readMessage(withData(28, [...octets]), "AAAA");
    const hex = Buffer.from(octets).toString("hex");
    const expected = canonicalAddress(hex.match(/.{4}/g)?.join(":") ?? "");
    assert.deepEqual(message?.records.map((record) => record.value), [expected]);
  }));
});

Deno.test("readMessage: data that does not fill its announced length is malformed", () => {
  for (
    const [code, type, data] of [
      [1, "A", [192, 0, 2]],
      [1, "A", [192, 0, 2, 1, 0]],
      [28, "AAAA", [192, 0, 2, 1]],
      [15, "MX", [0, 10]],
      [15, "MX", [0, 10, 1, 97, 0, 0]],
      [5, "CNAME", [1, 97]],
      [16, "TXT", [4, 97]],
      [33, "SRV", [0, 1, 0, 1, 2, 75]],
      [33, "SRV", [0, 1, 0, 1, 2, 75, 1, 97, 0, 0]],
      [52, "TLSA", [3, 1]],
      [12, "PTR", [0xc0]],
    ] as const
  ) {
    assert.equal(readMessage(withData(code, data), type), null, `${type} ${data}`);
  }
});

Deno.test("readMessage: names of forward, self and endless pointers are malformed", () => {
  const at = reply(QUERY, []).length + 12;
  assert.equal(readMessage(withData(12, [0xc0, at]), "PTR"), null);
  assert.equal(readMessage(withData(12, [0xc0, at + 2]), "PTR"), null);
  // Forward into a sound record behind it.
  const second = [0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 60, 0, 3, 1, 97, 0];
  const forward = Buffer.concat([withData(12, [0xc0, at + 14]), Buffer.from(second)]);
  forward.writeUInt16BE(2, 6);
  assert.equal(readMessage(forward, "PTR"), null);
  // A pointer to a label in front of itself goes round, each time a label longer.
  assert.equal(readMessage(withData(12, [1, 97, 0xc0, at]), "PTR"), null);
});

Deno.test("readMessage: odd labels stay distinct from the names they resemble", () => {
  const label = [..."a.b\\\u00ff C"].map((character) => character.charCodeAt(0));
  const message = readMessage(withData(12, [label.length, ...label, 0]), "PTR");
  assert.equal(message?.records[0].value, "a\\.b\\\\\\255\\032c");
});

Deno.test("readMessage: records of another class or type leave the message whole", () => {
  const other = [
    { type: "A", name: "a.example", class: "CH", data: "192.0.2.66" },
    // The library cannot read this one: its protocol must be 3.
    { type: "UNKNOWN_48", name: "a.example", data: Buffer.from([1, 0, 9, 8]) },
    { type: "A", name: "a.example", data: "192.0.2.1" },
  ];
  assert.deepEqual(values("A", other), ["192.0.2.1"]);
});

Deno.test("readMessage: the negative TTL is the lesser of TTL and minimum (RFC 2308 §5)", () => {
  for (const [ttl, minimum, expected] of [[5, 9, 5], [9, 5, 5], [9, 0x8000_0000, 0]]) {
    const data = { mname: "ns.example", rname: "root.example", minimum };
    const authorities = [{ type: "SOA", name: "example", ttl, data }];
    const message = readMessage(reply(QUERY, [], { authorities }), "A");
    assert.equal(message?.negativeTtlS, expected);
  }
});

Deno.test("answersQuery: the question is compared without regard to case", () => {
  const octets = reply(QUERY, []);
  assert.ok(answersQuery(octets, QUERY));
  octets[13] ^= 0x20;
  assert.ok(answersQuery(octets, QUERY));
  octets[13] ^= 0x01;
  assert.ok(!answersQuery(octets, QUERY));
});

Deno.test("encodeQuery: without EDNS there is no OPT record", () => {
  const plain = encodeQuery({ name: ".", type: "MX" }, { id: 1, edns: false });
  assert.deepEqual([...plain], [0, 1, 1, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 15, 0, 1]);
  assert.equal(dnsPacket.RECURSION_DESIRED | dnsPacket.AUTHENTIC_DATA, 0x0120);
});
