import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { OctetRange } from "../mail/octet_range.ts";
import { RoomyMessage } from "./roomy_message.ts";

const octetsOf = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const textOf = (octets: Uint8Array) => Buffer.from(octets).toString("latin1");

/** A message in a buffer of its own, with so much room before it and something behind. */
function roomy(text: string, roomOctets = 0): RoomyMessage {
  return new RoomyMessage(octetsOf(`${".".repeat(roomOctets)}${text}....`), {
    startOctet: roomOctets,
    endOctet: roomOctets + text.length,
    isEightBit: false,
  });
}

Deno.test("RoomyMessage.prepend: stays in its buffer while there is room, and moves when there is none", () => {
  const message = roomy("body", 4);
  const { buffer } = message.octets;
  assert.equal(textOf(message.octets), "body");
  message.prepend(octetsOf("ab"));
  message.prepend(octetsOf("cd"));
  assert.equal(textOf(message.octets), "cdabbody");
  assert.equal(message.octets.buffer, buffer);
  assert.equal(message.roomOctets, 0);
  message.prepend(octetsOf("longer than the room: "));
  assert.equal(textOf(message.octets), "longer than the room: cdabbody");
  assert.notEqual(message.octets.buffer, buffer);
  message.prepend(octetsOf("x"));
  message.prepend(octetsOf(""));
  assert.equal(textOf(message.octets), "xlonger than the room: cdabbody");
});

Deno.test("RoomyMessage.copyBehind: leaves the message as it is", () => {
  const message = roomy("body", 4);
  const copy = message.copyBehind(octetsOf("top "));
  assert.equal(textOf(copy), "top body");
  assert.equal(copy.buffer.byteLength, copy.length);
  assert.equal(textOf(message.octets), "body");
});

Deno.test("RoomyMessage.cut: what stands behind the last range stays where it is", () => {
  const message = roomy("one two three four", 2);
  const { byteOffset, byteLength, buffer } = message.octets;
  message.cut([{ startOctet: 4, endOctet: 8 }]);
  assert.equal(textOf(message.octets), "one three four");
  assert.equal(message.octets.buffer, buffer);
  assert.equal(message.octets.byteOffset + message.octets.byteLength, byteOffset + byteLength);
  assert.equal(message.roomOctets, 6);
  message.cut([]);
  assert.equal(textOf(message.octets), "one three four");
});

Deno.test("RoomyMessage.cut: takes out any ranges in one go", () => {
  const places = fc.uniqueArray(fc.nat(40), { maxLength: 8 });
  fc.assert(fc.property(fc.string({ minLength: 40, maxLength: 40 }), places, (text, places) => {
    const octets = octetsOf(text);
    const sorted = places.filter((at) => at <= octets.length).sort((a, b) => a - b);
    const ranges: OctetRange[] = [];
    for (let n = 0; n + 1 < sorted.length; n += 2) {
      ranges.push({ startOctet: sorted[n], endOctet: sorted[n + 1] });
    }
    const kept = [...octets].filter((_, at) =>
      !ranges.some(({ startOctet, endOctet }) => at >= startOctet && at < endOctet)
    );
    const message = roomy(textOf(octets), 3);
    message.cut(ranges);
    assert.deepEqual([...message.octets], kept);
  }));
});
