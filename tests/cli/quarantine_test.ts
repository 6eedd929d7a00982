import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { AcceptedMessage } from "../../engine/store/spool.ts";
import { message } from "../../engine/store/spool_conformance.ts";
import { openConsole } from "./console.ts";

const DAY_MS = 86_400_000;

function held(fields: Partial<AcceptedMessage> = {}): AcceptedMessage {
  const octets = Buffer.from("From: x@spam.test\r\nSubject: Win \x1b[2J now\r\n\r\nbody\r\n");
  const hold = { reason: "spam", explanation: "16 points", untilMs: Date.now() + DAY_MS };
  return message({ octets, hold, ...fields });
}

Deno.test("cli: quarantine", async (test) => {
  await using console = await openConsole();
  const { run, json, spool, stores } = console;
  const [a, b, c] = [held(), held({ reversePath: "x@spam.test" }), held({ to: 2 } as object)];
  const over = held({ hold: { reason: "dmarc", explanation: "p=reject", untilMs: 1 } });

  await test.step("list: says so when nothing is held", async () => {
    assert.equal((await run("quarantine list")).out, "Nothing is held.");
    assert.equal((await run("queue list")).out, "The queue is empty.");
  });

  await spool.commit([a, b, c, over, message()]);

  await test.step("list: the newest first, filtered, without the terminal's orders", async () => {
    const { out } = await run("quarantine list");
    assert.deepEqual(out.split("\n").map((line) => line.slice(0, 13)), [
      ...[over.id, c.id, b.id, a.id],
    ]);
    assert.match(out, /<ann@here\.test> -> <bob0@there\.test> and 1 more/);
    assert.match(out, /Win {2}\[2J now/);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(out, /\x1b/);
    assert.deepEqual(
      (await json("quarantine list --sender @spam.test")).map(({ id }: { id: string }) => id),
      [b.id],
    );
    const [only] = await json("quarantine list --reason dmarc --limit 1");
    assert.deepEqual([only.id, only.explanation, only.head], [over.id, "p=reject", undefined]);
    assert.equal((await run("quarantine list --limit 0")).code, 2);
  });

  await test.step("queue list, trace: tell of what is held", async () => {
    assert.match((await run("queue list")).out, /\nheld in quarantine: 4 {3}\(/);
    assert.equal((await json("queue list")).length, 1);
    const { out } = await run(`trace ${a.id}`);
    assert.match(
      out,
      /held in quarantine, until \d{4}-[^ ]+: spam: 16 points\n {2}<bob.*> {2}held$/,
    );
  });

  await test.step("show: why, and the header section; the message into a file", async () => {
    const { out } = await run(`quarantine show ${a.id}`);
    assert.match(out, /because +16 points/);
    assert.match(out, /\nFrom: x@spam\.test\nSubject: Win \?\[2J now$/);
    const path = await Deno.makeTempFile({ prefix: "sluice-held-" });
    assert.equal((await json(`quarantine show ${a.id} --save ${path}`)).file, path);
    assert.deepEqual(Buffer.from(await Deno.readFile(path)), a.octets);
    await Deno.remove(path);
    assert.match((await run("quarantine show 0AM8E2Q1M0200")).error, /not held/);
    assert.equal((await run("quarantine show x")).code, 2);
  });

  await test.step("release: into the queue, once; says what was not held", async () => {
    const said = await run(`quarantine release ${c.id} ${a.id} 0AM8E2Q1M0200`);
    assert.equal(said.code, 1);
    assert.match(said.out, /^released: .*\nnot held: 0AM8E2Q1M0200$/);
    assert.match((await run(`quarantine release ${a.id}`)).error, /^not held: /);
    assert.equal((await json("queue list")).length, 4);
    assert.match((await run(`trace ${a.id}`)).out, /held in quarantine, released .*\n.* queued$/);
    assert.equal((await run("quarantine release")).code, 2);
  });

  await test.step("delete, expire: given up without a word", async () => {
    assert.deepEqual(await json(`quarantine delete ${b.id}`), { deleted: [b.id], notHeld: [] });
    assert.match((await run(`trace ${b.id}`)).out, / deleted .*\n.* discarded$/);
    assert.deepEqual(await json("quarantine expire"), { expired: 1 });
    assert.equal(await stores.history.held(), 0);
    assert.equal((await json("queue list")).length, 4);
  });
});
