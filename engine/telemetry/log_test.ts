import assert from "node:assert/strict";
import { configureLog, logOf } from "./log.ts";

function configured(level: "info" | "warning", format: "json" | "pretty" = "json") {
  let text = "";
  const write = (chunk: Uint8Array) => {
    text += new TextDecoder().decode(chunk);
    return chunk.length;
  };
  const log = configureLog({ level, format, write, thread: "main" });
  return { log, lines: () => text.split("\n").slice(0, -1) };
}

Deno.test("configureLog: writes what reaches the level, in order, at the latest when disposed of", () => {
  const { log, lines } = configured("info");
  {
    using _log = log;
    logOf("store").debug("too quiet");
    logOf("store").info("opened {what}", { what: "spool" });
    logOf("dns").warning("slow");
    assert.deepEqual(lines(), []);
  }
  logOf("dns").warning("after the end");
  const records = lines().map((line) => JSON.parse(line));
  assert.deepEqual(records.map(({ level, logger, msg }) => [level, logger, msg]), [
    ["info", "store", "opened spool"],
    ["warning", "dns", "slow"],
  ]);
  assert.equal(records[0].thread, "main");
});

Deno.test("configureLog: errors are written at once", () => {
  const { log, lines } = configured("info", "pretty");
  using _log = log;
  logOf("store").error("gone");
  assert.equal(lines().length, 1);
  assert.match(lines()[0], /ERROR .*store: gone/);
});

Deno.test("configureLog: replaces the log configured before, which is written out", () => {
  const first = configured("info");
  logOf("store").info("one");
  const second = configured("warning");
  using _log = second.log;
  assert.equal(first.lines().length, 1);
  logOf("store").info("two");
  second.log.flush();
  assert.deepEqual(second.lines(), []);
});

Deno.test("configureLog: a process outlives the reader of its log", async () => {
  const script = `
    import { configureLog, logOf } from ${JSON.stringify(import.meta.resolve("./log.ts"))};
    const log = configureLog({ level: "info", format: "json" });
    logOf("test").info("heard");
    log.flush();
    await Deno.stdin.read(new Uint8Array(1));
    for (let i = 0; i < 1000; i++) logOf("test").info("unheard");
    log[Symbol.dispose]();
    Deno.exit(42);
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.match(new TextDecoder().decode(value), /"msg":"heard"/);
  await reader.cancel();
  const writer = child.stdin.getWriter();
  await writer.write(new Uint8Array(1));
  await writer.close();
  assert.equal((await child.status).code, 42);
});
