import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { readHeaderSection } from "../mail/header_section.ts";
import { MilterChanges } from "./milter_changes.ts";
import {
  milterPacket,
  MilterPacketReader,
  type MilterReply,
  milterTexts,
} from "./milter_packets.ts";

/** Every packet of the pieces in turn, up to nonsense. */
function readAll(pieces: readonly Uint8Array[]): (MilterReply | "nonsense")[] {
  const reader = new MilterPacketReader();
  const all: (MilterReply | "nonsense")[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let packet = reader.next(); packet !== null; packet = reader.next()) {
      all.push(packet);
      if (packet === "nonsense") return all;
    }
  }
  return all;
}

const STREAM = Buffer.concat([
  milterPacket("c"),
  milterPacket("h", milterTexts("X-A", "1\n 2")),
  milterPacket("m", Buffer.from([0, 0, 0, 3]), milterTexts("X-B", "")),
  milterPacket("y", milterTexts("550 no")),
  milterPacket("q", milterTexts("odd")),
  milterPacket("a"),
]);

Deno.test("MilterPacketReader: cutting the stream anywhere changes nothing", () => {
  const whole = readAll([STREAM]);
  assert.equal(whole.length, 6);
  assert.deepEqual(whole[1], { kind: "add_header", name: "X-A", value: "1\n 2" });
  assert.deepEqual(whole[2], { kind: "change_header", index: 3, name: "X-B", value: "" });
  for (let at = 0; at <= STREAM.length; at++) {
    assert.deepEqual(readAll([STREAM.subarray(0, at), STREAM.subarray(at)]), whole);
  }
  assert.deepEqual(readAll([...STREAM].map((octet) => new Uint8Array([octet]))), whole);
});

Deno.test("MilterPacketReader: no input throws", () => {
  const command = fc.constantFrom(...Buffer.from("cartdspf4Oyqhim+-be!"));
  const packet = fc.tuple(command, fc.uint8Array({ maxLength: 20 })).map(([octet, rest]) =>
    milterPacket(String.fromCharCode(octet), rest)
  );
  fc.assert(fc.property(fc.array(fc.oneof(packet, fc.uint8Array({ maxLength: 9 }))), (pieces) => {
    assert.deepEqual(readAll(pieces), readAll([Buffer.concat(pieces)]));
  }));
});

Deno.test("MilterChanges: whatever a milter says, what is put on top is whole fields", () => {
  const octets = Buffer.from("A: 1\r\nB: 2\nA: 3\r\n\r\nbody\r\n");
  const message = { octets, header: readHeaderSection(octets) };
  const text = fc.string({ unit: "binary-ascii", maxLength: 12 });
  const value = fc.oneof(
    text,
    fc.array(fc.constantFrom("\r", "\n", " ", "\t", "x", "\0", "é", ":")).map((all) =>
      all.join("")
    ),
  );
  const name = fc.oneof(fc.constantFrom("A", "b", "X-New"), text);
  const step = fc.tuple(fc.constantFrom("add", "insert", "change"), name, value, fc.nat(4));
  fc.assert(fc.property(fc.array(step, { maxLength: 5 }), fc.boolean(), (steps, keepsSpace) => {
    const changes = new MilterChanges(message, { keepsSpace });
    let fields = 0;
    for (const [kind, name, value, index] of steps) {
      if (kind === "change") {
        if (changes.change(name, index, value) && value !== "") fields++;
      } else if (changes[kind as "add" | "insert"](name, value)) fields++;
    }
    const { onTop, removed } = changes.result();
    const top = readHeaderSection(Buffer.from(`${onTop}\r\nbody`));
    assert.equal([...top.fields()].length, fields);
    assert.ok(top.hasOnlyFields() && top.isTerminated);
    assert.equal(top.bodyOctet, Buffer.byteLength(onTop) + 2);
    assert.doesNotMatch(onTop, /[^\r]\n|\r[^\n]|\0/);
    // Some take a line of white space for the end of the header section.
    assert.doesNotMatch(onTop, /\n[ \t]*\r\n/);
    let last = 0;
    for (const { startOctet, endOctet } of removed) {
      assert.ok(startOctet >= last && endOctet <= octets.length);
      assert.match(octets.toString("latin1", startOctet, endOctet), /^[AB]: \d\r?\n$/);
      last = endOctet;
    }
  }));
});
