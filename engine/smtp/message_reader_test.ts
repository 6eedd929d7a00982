import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { stuffDots } from "../delivery/dot_stuffing.ts";
import { MessageReader, type MessageReaderOptions } from "./message_reader.ts";

const HEADROOM = 16;
const ENDLESS = { reserve: () => true, release: () => {} };

/** Memory up to a limit, and the most that was held of it. */
class Memory {
  usedOctets = 0;
  peakOctets = 0;

  constructor(readonly limitOctets = Infinity) {}

  reserve(octets: number): boolean {
    if (this.usedOctets + octets > this.limitOctets) return false;
    this.usedOctets += octets;
    this.peakOctets = Math.max(this.peakOctets, this.usedOctets);
    return true;
  }

  release(octets: number): void {
    this.usedOctets -= octets;
  }
}

function reader(options: Partial<MessageReaderOptions> = {}): MessageReader {
  return new MessageReader({
    headroomOctets: HEADROOM,
    maxOctets: 1_000_000,
    announcedOctets: 0,
    memory: ENDLESS,
    ...options,
  });
}

/** What was read, as latin-1 text or the reason for none, and where it ended; `null` without an end. */
function read(
  chunks: readonly Uint8Array[],
  options: Partial<MessageReaderOptions> = {},
): { result: string; taken: number } | null {
  const messages = reader(options);
  let before = 0;
  for (const chunk of chunks) {
    const taken = messages.feed(chunk);
    if (taken >= 0) {
      const read = messages.finish();
      const result = read.kind === "refused"
        ? read.reason
        : Buffer.from(read.message.octets).toString("latin1");
      assert.equal(messages.readOctets, before + taken);
      return { result, taken: before + taken };
    }
    before += chunk.length;
    assert.equal(messages.readOctets, before);
  }
  return null;
}

const octetsOf = (text: string) => Buffer.from(text, "latin1");

/** The same by searching the whole text at once. */
function readAtOnce(text: string): ReturnType<typeof read> {
  const end = ("\r\n" + text).indexOf("\r\n.\r\n");
  if (end < 0) return null;
  const content = text.slice(0, end);
  const fault = /\0|\r(?!\n)|(?<!\r)\n/.exec(content);
  const result = fault === null
    ? content.replace(/(^|\r\n)\./g, "$1")
    : fault[0] === "\0"
    ? "nul"
    : "bare_line_end";
  return { result, taken: end + 3 };
}

/** Pieces of `octets`, cut where `cuts` says. */
function cut(octets: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((at) => at % (octets.length + 1)).sort((a, b) => a - b)];
  return places.map((from, n) => octets.subarray(from, places[n + 1] ?? octets.length));
}

const CLEAN = ["\r\n", "\r\n", "\r\n.", ".", "..", "a", "bc", "\xff"];
const soup = fc.oneof(
  fc.array(fc.constantFrom(...CLEAN), { maxLength: 24, size: "max" }),
  fc.array(fc.constantFrom(...CLEAN, "\r", "\n", "\0"), { maxLength: 24, size: "max" }),
).map((pieces) => pieces.join(""));
const cuts = fc.array(fc.nat(), { maxLength: 6 });

Deno.test("MessageReader: finds the end that CRLF.CRLF makes and no other, wherever TCP cuts (RFC 5321 §4.1.1.4)", () => {
  let ended = 0;
  fc.assert(
    fc.property(soup, fc.boolean(), cuts, (text, isEnded, at) => {
      const whole = isEnded ? `${text}\r\n.\r\nRSET\r\n` : text;
      const expected = readAtOnce(whole);
      assert.deepEqual(read(cut(octetsOf(whole), at)), expected);
      assert.deepEqual(read([...octetsOf(whole)].map((octet) => Uint8Array.of(octet))), expected);
      if (expected !== null && expected.result.length > 15) ended++;
    }),
    { numRuns: 3000 },
  );
  assert.ok(ended > 100, `only ${ended} messages among the inputs`);
});

Deno.test("MessageReader: reads back what stuffDots writes, octet by octet (RFC 5321 §4.5.2)", () => {
  const line = fc.array(fc.constantFrom(".", ".", "a", " ", "\xe4", "long ".repeat(300)), {
    maxLength: 5,
  }).map((pieces) => pieces.join("") + "\r\n");
  const message = fc.tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom("", "end", ".", ".."))
    .map(([lines, rest]) => lines.join("") + rest);
  fc.assert(
    fc.property(message, cuts, (text, at) => {
      const wire = Buffer.concat([...stuffDots(octetsOf(text))]);
      const whole = text === "" || text.endsWith("\r\n") ? text : text + "\r\n";
      assert.deepEqual(read(cut(wire, at)), { result: whole, taken: wire.length });
    }),
    { numRuns: 1000 },
  );
});

Deno.test("MessageReader: counts against the limit what is kept, not what is sent (RFC 1870 §3)", () => {
  const wire = octetsOf("..23456\r\n.\r\n");
  assert.equal(read([wire], { maxOctets: 8 })?.result, ".23456\r\n");
  assert.deepEqual(read([wire], { maxOctets: 7 }), { result: "too_large", taken: wire.length });
  assert.equal(
    read([octetsOf("a\nb"), octetsOf("c".repeat(99) + "\r\n.\r\n")], { maxOctets: 50 })
      ?.result,
    "bare_line_end",
  );
});

Deno.test("MessageReader: keeps nothing of what is too large, however long it goes on", () => {
  const memory = new Memory();
  const messages = reader({ maxOctets: 10_000, memory });
  const chunk = Buffer.alloc(65_536, "x");
  for (let n = 0; n < 100; n++) assert.equal(messages.feed(chunk), -1);
  assert.ok(memory.usedOctets <= 10_000 + HEADROOM, `${memory.usedOctets} octets reserved`);
  assert.equal(messages.feed(octetsOf("\r\n.\r\n")), 5);
  assert.deepEqual(messages.finish(), { kind: "refused", reason: "too_large" });
});

Deno.test("MessageReader: reserves what it holds, and no more than a megabyte on a client's word", () => {
  const reservedFor = (announcedOctets: number, maxOctets: number) => {
    const memory = new Memory();
    reader({ announcedOctets, maxOctets, memory });
    return memory.usedOctets - HEADROOM;
  };
  assert.equal(reservedFor(0, 1e8), 4096);
  assert.equal(reservedFor(100_000, 1e8), 100_000);
  assert.equal(reservedFor(1e8, 1e8), 1024 * 1024);
  assert.equal(reservedFor(1e8, 50_000), 50_000);

  const memory = new Memory();
  const messages = reader({ memory });
  for (let n = 0; n < 50; n++) messages.feed(Buffer.alloc(1000, "x"));
  messages.feed(octetsOf("\r\n.\r\n"));
  const read = messages.finish();
  assert.ok(read.kind === "message");
  assert.equal(read.message.octets.length, 50_002);
  assert.equal(memory.usedOctets, read.message.octets.buffer.byteLength);
  assert.ok(memory.peakOctets > memory.usedOctets);
});

Deno.test("MessageReader: the largest message takes twice its size while it is read, and then no more than its own", () => {
  for (const maxOctets of [5_000, 65_536, 100_000, 131_072 - HEADROOM, 1_000_001]) {
    const memory = new Memory(2 * (maxOctets + HEADROOM));
    const messages = reader({ maxOctets, memory });
    for (let left = maxOctets - 2; left > 0; left -= 1000) {
      messages.feed(Buffer.alloc(Math.min(left, 1000), "x"));
    }
    messages.feed(octetsOf("\r\n.\r\n"));
    const read = messages.finish();
    assert.ok(read.kind === "message", `${maxOctets}`);
    assert.equal(read.message.octets.length, maxOctets);
    assert.equal(memory.usedOctets, maxOctets + HEADROOM);
  }
});

Deno.test("MessageReader: knows whether an octet of the message is above 127, wherever it stands (RFC 6152)", () => {
  const isEightBit = (chunks: readonly string[]) => {
    const messages = reader();
    for (const chunk of chunks) messages.feed(octetsOf(chunk));
    const read = messages.finish();
    return read.kind === "message" && read.message.isEightBit;
  };
  assert.equal(isEightBit(["a\x7f\t\r\n.\r\n"]), false);
  assert.equal(isEightBit(["a\r\n.\r\nMAIL FROM:<\xe4@example.org>\r\n"]), false);
  for (
    const text of ["\x80\r\n", "a\xe4\r\n", "a\r\n\xff\r\n", "a\r\n.\xe4\r\n", "a\r\n..\xe4\r\n"]
  ) {
    assert.equal(isEightBit([`${text}.\r\n`]), true, text);
    assert.equal(isEightBit([...`${text}.\r\n`]), true, text);
  }
});

Deno.test("MessageReader: without memory it reads on to the end and says so", () => {
  const wire = [Buffer.alloc(10_000, "x"), octetsOf("\r\n.\r\n")];
  const noMemory = { result: "no_memory", taken: 10_005 };
  assert.deepEqual(read(wire, { memory: new Memory(0) }), noMemory);
  const memory = new Memory(5000);
  assert.deepEqual(read(wire, { memory }), noMemory);
  assert.equal(memory.usedOctets, 4096 + HEADROOM);
});
