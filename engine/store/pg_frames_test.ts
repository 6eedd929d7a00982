import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  copyInvitation,
  dropCopyInvitation,
  farewell,
  frame,
  FrontendFrames,
  readAnswer,
  simpleQuery,
  type Step,
} from "./pg_frames.ts";

const MAX_STEP_OCTETS = 64 * 1024 * 1024;

function feed(frames: FrontendFrames, octets: Uint8Array): void {
  for (let at = 0; at < octets.length;) {
    const room = frames.room();
    const count = Math.min(room.length, octets.length - at);
    room.set(octets.subarray(at, at + count));
    frames.added(count);
    at += count;
  }
}

function drain(frames: FrontendFrames): Step[] {
  const steps: Step[] = [];
  for (;;) {
    const step = frames.take();
    if (step === null) return steps;
    steps.push(step.kind === "run" ? { ...step, octets: step.octets.slice() } : step);
    if (step.kind === "violation" || step.kind === "terminate") return steps;
  }
}

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

const PARSE = frame("P", "s1\0select 1\0", new Uint8Array(2));
const BIND = frame("B", "\0s1\0", new Uint8Array(6));
const EXECUTE = frame("E", "\0", new Uint8Array(4));
const SYNC = frame("S");
const FLUSH = frame("H");
const COPY = [
  simpleQuery("COPY t(b)\n FROM STDIN (FORMAT binary)"),
  frame("d", "rows"),
  frame("c"),
];

Deno.test("FrontendFrames: an extended query is one step, known by its Sync", () => {
  const frames = new FrontendFrames(MAX_STEP_OCTETS);
  feed(frames, join(PARSE, BIND, EXECUTE));
  assert.deepEqual(drain(frames), []);
  feed(frames, SYNC);
  assert.deepEqual(drain(frames), [{
    kind: "run",
    octets: join(PARSE, BIND, EXECUTE, SYNC),
    open: false,
    replies: 1,
    copy: false,
    prepared: ["s1"],
    closed: [],
  }]);
});

Deno.test("FrontendFrames: a step that ends with Flush is open", () => {
  const frames = new FrontendFrames(MAX_STEP_OCTETS);
  feed(frames, join(PARSE, FLUSH));
  const [step] = drain(frames);
  assert.equal(step.kind === "run" && step.open, true);
});

Deno.test("FrontendFrames: COPY FROM STDIN is run with all its rows, after an invitation", () => {
  const frames = new FrontendFrames(MAX_STEP_OCTETS);
  feed(frames, join(simpleQuery("select 1"), COPY[0]));
  const before = drain(frames);
  assert.deepEqual(before.map((step) => step.kind), ["run", "inviteCopy"]);
  feed(frames, join(COPY[1], COPY[2]));
  const [step] = drain(frames);
  assert.ok(step.kind === "run" && step.copy);
  assert.deepEqual(step.octets, join(...COPY));
});

Deno.test("FrontendFrames: nothing is run behind what may be an unrecognised COPY", () => {
  const hidden = simpleQuery("COPY t FROM /**/ STDIN");
  const parsed = join(frame("P", "\0COPY t FROM STDIN\0", new Uint8Array(2)), EXECUTE, SYNC);
  const frames = new FrontendFrames(MAX_STEP_OCTETS);
  feed(frames, join(SYNC, hidden, SYNC, parsed, SYNC));
  const steps = drain(frames).map((step) => step.kind === "run" && step.octets);
  assert.deepEqual(steps, [SYNC, hidden, join(SYNC, parsed), SYNC]);
});

Deno.test("FrontendFrames: closed statements are named, portals are not", () => {
  const frames = new FrontendFrames(MAX_STEP_OCTETS);
  feed(frames, join(frame("C", "Ss1\0"), frame("C", "Pp1\0"), SYNC));
  const [step] = drain(frames);
  assert.deepEqual(step.kind === "run" && step.closed, ["s1"]);
});

Deno.test("FrontendFrames: a batch beyond the limit is a violation as soon as its length is known", () => {
  const frames = new FrontendFrames(MAX_STEP_OCTETS);
  const header = new Uint8Array(5);
  header[0] = "Q".charCodeAt(0);
  new DataView(header.buffer).setInt32(1, MAX_STEP_OCTETS);
  feed(frames, join(PARSE, header));
  assert.deepEqual(drain(frames).map((step) => step.kind), ["violation"]);
});

Deno.test("FrontendFrames: start-up packets are told apart", () => {
  const packet = (code: number, length = 8) => {
    const octets = new Uint8Array(length);
    new DataView(octets.buffer).setInt32(0, length);
    new DataView(octets.buffer).setInt32(4, code);
    return octets;
  };
  const frames = new FrontendFrames(MAX_STEP_OCTETS);
  feed(frames, join(packet(80877103), packet(80877104), packet(3 << 16, 9), SYNC));
  assert.deepEqual(frames.takeStartup(), { kind: "encryption" });
  assert.deepEqual(frames.takeStartup(), { kind: "encryption" });
  assert.deepEqual(frames.takeStartup(), { kind: "startup" });
  assert.equal(drain(frames).length, 1);
  for (const [octets, kind] of [[packet(80877102, 16), "cancel"], [packet(2 << 16), "violation"]]) {
    const other = new FrontendFrames(MAX_STEP_OCTETS);
    feed(other, octets as Uint8Array);
    assert.equal(other.takeStartup()?.kind, kind);
  }
});

Deno.test("FrontendFrames: cutting the stream anywhere changes nothing", () => {
  const message = fc.oneof(
    fc.constantFrom(PARSE, BIND, EXECUTE, SYNC, FLUSH, join(...COPY)),
    fc.string({ maxLength: 40 }).map((text) =>
      simpleQuery(`select '${text.replaceAll("\0", "")}'`)
    ),
    fc.uint8Array({ maxLength: 300 }).map((octets) => frame("B", octets)),
  );
  const cuts = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1 });
  fc.assert(fc.property(fc.array(message), cuts, (messages, sizes) => {
    const stream = join(...messages);
    const collect = (next: (at: number, index: number) => number) => {
      const frames = new FrontendFrames(MAX_STEP_OCTETS);
      const steps: Step[] = [];
      for (let at = 0, index = 0; at < stream.length; index++) {
        const end = Math.min(stream.length, at + next(at, index));
        feed(frames, stream.subarray(at, end));
        steps.push(...drain(frames));
        at = end;
      }
      return {
        octets: join(...steps.map((step) => step.kind === "run" ? step.octets : new Uint8Array())),
        invitations: steps.filter((step) => step.kind === "inviteCopy").length,
        copies: steps.filter((step) => step.kind === "run" && step.copy).length,
      };
    };
    assert.deepEqual(
      collect((_, index) => sizes[index % sizes.length]),
      collect(() => stream.length),
    );
  }));
});

Deno.test("FrontendFrames: no input throws or fails to make progress", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), fc.boolean(), (chunks, started) => {
      const frames = new FrontendFrames(MAX_STEP_OCTETS);
      for (const chunk of chunks) {
        feed(frames, chunk);
        if (!started && frames.takeStartup()?.kind === "violation") return;
        if (started && drain(frames).some((step) => step.kind === "violation")) return;
      }
    }),
  );
});

Deno.test("FrontendFrames: large batches survive growing, moving and shrinking", () => {
  const frames = new FrontendFrames(MAX_STEP_OCTETS);
  const body = new Uint8Array(3_000_000).map((_, index) => index % 251);
  const sent: Uint8Array[] = [];
  const seen: Uint8Array[] = [];
  for (let round = 0; round < 3; round++) {
    sent.push(simpleQuery("select 1"), frame("B", body), SYNC, PARSE, EXECUTE, SYNC);
    for (const octets of sent.slice(-6)) {
      feed(frames, octets);
      for (const step of drain(frames)) if (step.kind === "run") seen.push(step.octets);
    }
  }
  assert.equal(Buffer.concat(seen).equals(Buffer.concat(sent)), true);
});

Deno.test("dropCopyInvitation: removes the one invitation and keeps all else", () => {
  const before = frame("N", "notice\0\0");
  const after = frame("C", "COPY 2\0");
  const output = join(before, copyInvitation(), after);
  const length = dropCopyInvitation(output, output.length);
  assert.deepEqual(output.subarray(0, length), join(before, after));
});

Deno.test("farewell: says only what is needed", () => {
  assert.equal(farewell({ open: false, inTransaction: false, statements: [] }), null);
  assert.deepEqual(
    farewell({ open: true, inTransaction: true, statements: ["a"] }),
    join(SYNC, simpleQuery("ROLLBACK"), frame("C", "Sa\0"), SYNC),
  );
});

Deno.test("readAnswer: the first value, or what went wrong", () => {
  const row = (text: string) => frame("D", new Uint8Array([0, 1, 0, 0, 0, text.length]), text);
  const end = join(frame("C", "SELECT 1\0"), frame("Z", "I"));
  assert.deepEqual(readAnswer(join(row("one"), row("two"), end)), { value: "one", error: null });
  assert.deepEqual(readAnswer(join(frame("E", "SERROR\0C42601\0Mno\0\0"), end)), {
    value: null,
    error: "no",
  });
  assert.deepEqual(readAnswer(end), { value: null, error: null });
});
