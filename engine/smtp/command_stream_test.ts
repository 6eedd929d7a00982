import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { CommandStream, MAX_COMMAND_OCTETS } from "./command_stream.ts";
import { MessageReader } from "./message_reader.ts";

const octetsOf = (text: string) => Buffer.from(text, "latin1");

/** A stream that notes what it hears; `DATA` makes it read a message, as a session does. */
class Notes {
  readonly heard: string[] = [];
  floods = 0;
  /** Answers of commands that are held back. */
  readonly held: (() => void)[] = [];
  readonly stream: CommandStream;

  constructor(options: { holds?: (line: string) => boolean; later?: boolean } = {}) {
    const answer = (done: () => void) => options.later ? queueMicrotask(done) : done();
    this.stream = new CommandStream({
      onCommand: (octets, done) => {
        const line = octets.toString("latin1");
        this.heard.push(line);
        if (line === "DATA") this.#readMessage();
        if (options.holds?.(line)) this.held.push(done);
        else answer(done);
      },
      onFault: (fault, done) => {
        this.heard.push(`!${fault}`);
        answer(done);
      },
      onFlood: () => this.floods++,
    });
  }

  #readMessage(): void {
    const reader = new MessageReader({
      headroomOctets: 0,
      maxOctets: 1e6,
      announcedOctets: 0,
      memory: { reserve: () => true, release: () => {} },
    });
    this.stream.readMessage(reader, () => {
      const read = reader.finish();
      this.heard.push(
        read.kind === "refused"
          ? `=!${read.reason}`
          : `=${Buffer.from(read.message.octets).toString("latin1")}`,
      );
      this.stream.continue();
    });
  }

  /** Resolves once all of it was worked through. */
  async write(...chunks: Uint8Array[]): Promise<this> {
    for (const chunk of chunks) {
      await new Promise<void>((resolve, reject) =>
        this.stream.write(chunk, (error) => error ? reject(error) : resolve())
      );
    }
    return this;
  }
}

Deno.test("CommandStream: any cutting of the stream gives the same commands and messages (RFC 2920 §3.1)", async () => {
  const piece = fc.constantFrom(
    "NOOP\r\n",
    "MAIL FROM:<a@b>\r\n",
    "DATA\r\n",
    "DATA\r\nof the message\r\n..\r\n.\r\n",
    "\r\n.\r\n",
    ".\r\n",
    "text\r\n",
    "bare\n",
    "over\rwritten\r\n",
    "\r\r\n",
    "nu\0l\r\n",
    "\r\n",
    "unfinished",
  );
  const cuts = fc.array(fc.nat(), { maxLength: 8 });
  let messages = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 20, size: "max" }), cuts, fc.boolean(), async (
      pieces,
      at,
      later,
    ) => {
      const octets = octetsOf(pieces.join(""));
      const whole = await new Notes().write(octets);
      const places = [0, ...at.map((n) => n % (octets.length + 1)).sort((a, b) => a - b)];
      const chunks = places.map((from, n) => octets.subarray(from, places[n + 1] ?? octets.length));
      assert.deepEqual((await new Notes({ later }).write(...chunks)).heard, whole.heard);
      if (whole.heard.some((line) => line.startsWith("="))) messages++;
    }),
    { numRuns: 500 },
  );
  assert.ok(messages > 50, `only ${messages} runs had a message`);
});

Deno.test("CommandStream: only CRLF ends a line, and CR, LF and NUL stand nowhere else (RFC 5321 §2.3.8)", async () => {
  const { heard } = await new Notes().write(
    octetsOf("one\r\ntwo\nth\rree\r\nfour\r\r\nfi\0ve\r\n\r\n\nsix\r\n"),
  );
  assert.deepEqual(heard, [
    "one",
    "!bare_line_end",
    "!bare_line_end",
    "!bare_line_end",
    "!nul",
    "",
    "!bare_line_end",
    "six",
  ]);
});

Deno.test("CommandStream: an overlong line is one fault, however it arrives (RFC 5321 §4.5.3.1.9)", async () => {
  const longest = "x".repeat(MAX_COMMAND_OCTETS - 2);
  for (const size of [1000, 5000, 40_000]) {
    const notes = new Notes();
    const octets = octetsOf(`${longest}\r\n${longest}x\r\n${longest.repeat(3)}\r\nNOOP\r\n`);
    for (let at = 0; at < octets.length; at += size) {
      await notes.write(octets.subarray(at, at + size));
    }
    assert.deepEqual(notes.heard, [longest, "!too_long", "!too_long", "NOOP"]);
    assert.equal(notes.floods, 0);
  }
});

Deno.test("CommandStream: endless input without a line end is a flood, and is not kept", async () => {
  const notes = new Notes();
  for (let n = 0; n < 5 && notes.floods === 0; n++) await notes.write(Buffer.alloc(65_536, "x"));
  assert.equal(notes.floods, 1);
  assert.deepEqual(notes.heard, []);
});

Deno.test("CommandStream: the next command waits until the one before is answered", async () => {
  const notes = new Notes({ holds: (line) => line === "SLOW" });
  const written = notes.write(octetsOf("ONE\r\nSLOW\r\nTWO\r\n"), octetsOf("THREE\r\n"));
  await Promise.resolve();
  assert.deepEqual(notes.heard, ["ONE", "SLOW"]);
  const [answer] = notes.held;
  answer();
  answer();
  await written;
  assert.deepEqual(notes.heard, ["ONE", "SLOW", "TWO", "THREE"]);
});

Deno.test("CommandStream: many commands in one chunk leave the other sessions their turn", async () => {
  const notes = new Notes();
  const written = notes.write(octetsOf("NOOP\r\n".repeat(1000)));
  const atOnce = notes.heard.length;
  assert.ok(atOnce > 0 && atOnce < 1000, `${atOnce} commands in one turn`);
  await written;
  assert.equal(notes.heard.length, 1000);
});

Deno.test("CommandStream: once closed, nothing of what it holds is run (RFC 3207 §5)", async () => {
  const notes = new Notes({ holds: (line) => line === "STARTTLS" });
  const written = notes.write(octetsOf("STARTTLS\r\nMAIL FROM:<a@b>\r\n"), octetsOf("NOOP\r\n"));
  await Promise.resolve();
  notes.stream.isClosed = true;
  notes.held[0]();
  await written;
  assert.deepEqual(notes.heard, ["STARTTLS"]);
});

Deno.test("CommandStream.hasPartialLine: true while a line lacks its end", async () => {
  const notes = new Notes();
  assert.equal(notes.stream.hasPartialLine, false);
  await notes.write(octetsOf("NO"));
  assert.equal(notes.stream.hasPartialLine, true);
  await notes.write(octetsOf("OP\r\n"));
  assert.equal(notes.stream.hasPartialLine, false);
  await notes.write(Buffer.alloc(MAX_COMMAND_OCTETS + 1, "x"));
  assert.equal(notes.stream.hasPartialLine, true);
});
