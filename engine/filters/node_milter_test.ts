import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { FilterInput, FilterOpinion } from "./filter.ts";
import { milterPacket, milterTexts, ProtocolFlag } from "./milter_packets.ts";
import { NodeMilter } from "./node_milter.ts";
import { filterInput } from "./testdata/filter_input.ts";
import {
  CONTINUE,
  type HeardPacket,
  type MilterScript,
  optionsPacket,
  scriptedMilter,
} from "./testdata/scripted_milter.ts";
import { drain, sayForEver, ScriptedFilter } from "./testdata/scripted_filter.ts";

const TIMEOUT_MS = 300;

function milterOf(server: ScriptedFilter, now = () => performance.now()): NodeMilter {
  return new NodeMilter({ address: server.address, hostname: "mx.test", now });
}

async function against(
  script: MilterScript | ((conn: Deno.Conn) => Promise<void>),
  message: FilterInput = filterInput(),
  timeoutMs = 10_000,
): Promise<FilterOpinion> {
  await using server = new ScriptedFilter(
    typeof script === "function" ? script : scriptedMilter(script),
  );
  using milter = milterOf(server);
  return await milter.check(message, AbortSignal.timeout(timeoutMs));
}

/** Says `packets` to one command and goes on at all others. */
function sayingTo(command: string, ...packets: readonly Uint8Array[]): MilterScript {
  return {
    answer: (heard) => heard.command === command ? Buffer.concat(packets) : CONTINUE,
  };
}

function indexed(index: number): Uint8Array {
  return Buffer.from([0, 0, 0, index]);
}

function heardText({ command, rest }: HeardPacket): string {
  return command + rest.toString("latin1").replaceAll("\0", "|");
}

Deno.test("NodeMilter: tells every stage in its order, with macros", async () => {
  const heard: HeardPacket[] = [];
  const text = "From: a@example.net\r\nSubject:  x\r\n\ty\r\nX:\r\n\r\nhello\r\n";
  const message = filterInput(text, {
    recipients: ["ann@example.org", "bob@example.org"],
    user: "eve",
  });
  assert.equal((await against({ heard }, message)).kind, "passed");
  const port = Buffer.from([40_000 >> 8, 40_000 & 255]).toString("latin1");
  assert.deepEqual(heard.slice(1).filter(({ command }) => command !== "K").map(heardText), [
    "DCj|mx.test|{daemon_name}|mx.test|v|Sluice|{client_addr}|192.0.2.1|{client_name}|mail.example.net|" +
    "{client_ptr}|mail.example.net|{client_port}|40000|",
    `Cmail.example.net|4${port}192.0.2.1|`,
    "Hmail.example.net|",
    "DMi|0AM8N6VJR0100|{mail_addr}|a@example.net|{auth_authen}|eve|",
    "M<a@example.net>|",
    "DRi|0AM8N6VJR0100|{rcpt_addr}|ann@example.org|",
    "R<ann@example.org>|",
    "DRi|0AM8N6VJR0100|{rcpt_addr}|bob@example.org|",
    "R<bob@example.org>|",
    "DTi|0AM8N6VJR0100|",
    "T",
    "LFrom|a@example.net|",
    "LSubject| x\n\ty|",
    "LX||",
    "N",
    "Bhello\r\n",
    "DEi|0AM8N6VJR0100|",
    "E",
  ]);
});

Deno.test("NodeMilter: leaves out what the milter does not want, and waits for no answer it will not give", async () => {
  const heard: HeardPacket[] = [];
  const { noConnect, noRcpt, silentHeader, silentBody, leadingSpace } = ProtocolFlag;
  const silent = ["L", "B"];
  const body = "z".repeat(200_000);
  const opinion = await against({
    heard,
    protocol: noConnect | noRcpt | silentHeader | silentBody | leadingSpace,
    answer: ({ command }) => silent.includes(command) ? undefined : CONTINUE,
  }, filterInput(`Subject: x\r\nX: y\r\n\r\n${body}`));
  assert.equal(opinion.kind, "passed");
  const commands = heard.map(({ command }) => command).join("").replace("K", "");
  assert.equal(commands, "OHDMDTLLNBBBBDE");
  assert.equal(heardText(heard[6]), "LSubject| x|");
  const chunks = heard.filter(({ command }) => command === "B").map(({ rest }) => rest);
  assert.ok(chunks.every(({ length }) => length <= 65_535));
  assert.equal(Buffer.concat(chunks).toString("latin1"), body);
});

Deno.test("NodeMilter: a client without a name or over IPv6 is told as such, an old milter nothing of DATA", async () => {
  const heard: HeardPacket[] = [];
  const client = { address: "2001:db8::1", port: 1, reverseName: null };
  await against({ heard, version: 2 }, filterInput(undefined, { client }));
  const connect = heard.find(({ command }) => command === "C");
  assert.equal(heardText(connect!), "C[2001:db8::1]|6|\x012001:db8::1|");
  const commands = heard.map(({ command }) => command).join("");
  assert.ok(!commands.includes("T"), commands);
});

Deno.test("NodeMilter: whichever stage refuses, the message is refused", async (t) => {
  const cases: Record<string, [MilterScript, code: number, status: string, text: RegExp]> = {
    "the client": [sayingTo("C", milterPacket("r")), 550, "5.7.1", /filter/],
    "HELO, for now": [sayingTo("H", milterPacket("t")), 451, "4.7.1", /later/],
    "a recipient": [
      sayingTo("R", milterPacket("y", milterTexts("550 5.1.1 nobody here"))),
      ...[550, "5.1.1", /^nobody here$/] as const,
    ],
    "the end, in several lines": [
      sayingTo("E", milterPacket("y", milterTexts("554-5.7.9 one\r\n554 5.7.9 two"))),
      ...[554, "5.7.9", /^one two$/] as const,
    ],
    "421 ends no session": [
      sayingTo("E", milterPacket("y", milterTexts("421 4.3.2 busy"))),
      ...[451, "4.3.2", /^busy$/] as const,
    ],
    "without a status": [
      sayingTo("E", milterPacket("y", milterTexts("450 wait"))),
      ...[450, "4.7.1", /^wait$/] as const,
    ],
  };
  for (const [name, [script, code, status, text]] of Object.entries(cases)) {
    await t.step(name, async () => {
      const opinion = await against(script);
      assert.ok(opinion.kind === "refused", JSON.stringify(opinion));
      assert.deepEqual([opinion.reply.code, opinion.reply.enhancedStatus], [code, status]);
      assert.match(opinion.reply.text, text);
    });
  }
});

Deno.test("NodeMilter: changes of fields, quarantine and progress at the end", async () => {
  const text = "From: a@example.net\r\nX-A: 1\r\nx-a: 2\r\n folded\r\nX-B: 3\r\n\r\nhello\r\n";
  const message = filterInput(text);
  const opinion = await against(
    sayingTo(
      "E",
      milterPacket("p"),
      milterPacket("h", milterTexts("X-Added", "one\n two")),
      milterPacket("i", indexed(0), milterTexts("X-First", "1")),
      milterPacket("i", indexed(3), milterTexts("X-Then", "2")),
      milterPacket("m", indexed(2), milterTexts("X-A", "")),
      milterPacket("m", indexed(1), milterTexts("x-b", "new")),
      milterPacket("m", indexed(9), milterTexts("X-None", "")),
      milterPacket("q", milterTexts("looks odd")),
      milterPacket("a"),
    ),
    message,
  );
  assert.ok(opinion.kind === "passed", JSON.stringify(opinion));
  assert.equal(opinion.quarantine, "looks odd");
  const { onTop, removed } = opinion.changes;
  assert.equal(onTop, "X-Then: 2\r\nX-First: 1\r\nX-Added: one\r\n two\r\nx-b: new\r\n");
  assert.deepEqual(
    removed.map(({ startOctet, endOctet }) => text.slice(startOctet, endOctet)),
    ["x-a: 2\r\n folded\r\n", "X-B: 3\r\n"],
  );
});

Deno.test("NodeMilter: what would be discarded is held, accepted early is accepted, and the body may be skipped", async () => {
  const discarded = await against(sayingTo("M", milterPacket("d")));
  assert.ok(discarded.kind === "passed" && discarded.quarantine !== null);
  const heard: HeardPacket[] = [];
  const accepting = sayingTo("M", milterPacket("a"));
  assert.equal((await against({ ...accepting, heard })).kind, "passed");
  assert.ok(heard.every(({ command }) => command !== "R"));
  heard.length = 0;
  const message = filterInput(`Subject: x\r\n\r\n${"z".repeat(200_000)}`);
  const skipping = { ...sayingTo("B", milterPacket("s")), heard };
  assert.equal((await against(skipping, message)).kind, "passed");
  assert.equal(heard.filter(({ command }) => command === "B").length, 1);
});

Deno.test("NodeMilter: keeps a connection for the next message, and opens another when it is gone", async () => {
  let hangsUpAtNext = false;
  const script: MilterScript = {
    answer: ({ command }) => hangsUpAtNext && command === "C" ? null : CONTINUE,
  };
  let clock = 0;
  await using server = new ScriptedFilter(scriptedMilter(script));
  using milter = milterOf(server, () => clock);
  const check = async () => (await milter.check(filterInput(), AbortSignal.timeout(10_000))).kind;
  assert.equal(await check(), "passed");
  assert.equal(await check(), "passed");
  assert.deepEqual([server.connections, milter.idleCount], [1, 1]);
  clock = 61_000;
  assert.equal(await check(), "passed");
  assert.equal(server.connections, 2);
  hangsUpAtNext = true;
  const failed = await milter.check(filterInput(), AbortSignal.timeout(10_000));
  assert.equal(failed.kind, "failed");
  // Once more, and not over and over.
  assert.equal(server.connections, 3);
  hangsUpAtNext = false;
  await Promise.all(Array.from({ length: 12 }, check));
  assert.equal(milter.idleCount, 8);
});

Deno.test("NodeMilter: a connection on which too much was said is not kept", async () => {
  await using server = new ScriptedFilter(
    scriptedMilter(sayingTo("E", CONTINUE, milterPacket("a"))),
  );
  using milter = milterOf(server);
  await milter.check(filterInput(), AbortSignal.timeout(10_000));
  assert.equal(milter.idleCount, 0);
});

Deno.test("NodeMilter: what is no answer is a failure, whichever way it is none", async (t) => {
  const field = (name: string, value: string) => milterPacket("h", milterTexts(name, value));
  const raw = (octets: readonly number[]) => Buffer.from(octets);
  const cases: Record<
    string,
    [MilterScript | ((conn: Deno.Conn) => Promise<void>), fault: string]
  > = {
    "closed at once": [() => Promise.resolve(), "nonsense"],
    "silence": [drain, "late"],
    "speaks another protocol": [
      (conn) => sayForEver(conn, Buffer.from("220 hello\r\n")),
      "nonsense",
    ],
    "drips": [(conn) => sayForEver(conn, Buffer.from("\0"), 20), "nonsense"],
    "drips a packet": [
      async (conn) => {
        await conn.write(raw([0, 0, 0x10, 0]));
        await sayForEver(conn, raw([0x4f]), 20);
      },
      "late",
    ],
    "a packet beyond any": [(conn) => sayForEver(conn, raw([0xff, 0, 0, 0])), "nonsense"],
    "an empty packet": [(conn) => sayForEver(conn, raw([0, 0, 0, 0])), "nonsense"],
    "a version of the future": [{ version: 7 }, "nonsense"],
    "stages nobody knows": [{ protocol: 0x4000_0000 }, "nonsense"],
    "options twice": [sayingTo("C", optionsPacket(6, 0)), "nonsense"],
    "hangs up amid it": [
      { answer: ({ command }) => command === "B" ? null : CONTINUE },
      "nonsense",
    ],
    "silence at the end": [
      { answer: ({ command }) => command === "E" ? undefined : CONTINUE },
      "late",
    ],
    "progress for ever": [
      sayingTo("E", Buffer.concat(Array.from({ length: 2_000 }, () => milterPacket("p")))),
      "nonsense",
    ],
    "an unknown answer": [sayingTo("C", milterPacket("!")), "nonsense"],
    "a change before the end": [sayingTo("N", field("X", "y")), "nonsense"],
    "a recipient to add": [sayingTo("E", milterPacket("+", milterTexts("<a@b>"))), "nonsense"],
    "another body": [sayingTo("E", milterPacket("b", Buffer.from("x"))), "nonsense"],
    "a code of success": [sayingTo("E", milterPacket("y", milterTexts("250 ok"))), "nonsense"],
    "a code that is none": [sayingTo("E", milterPacket("y", milterTexts("hello"))), "nonsense"],
    "no NUL": [sayingTo("E", milterPacket("q", Buffer.from("x"))), "nonsense"],
    "a name that is none": [sayingTo("E", field("X: y\r\nZ", "y"), CONTINUE), "nonsense"],
    "a line beyond any": [sayingTo("E", field("X", "y".repeat(2_000)), CONTINUE), "nonsense"],
    "fields without end": [
      sayingTo("E", ...Array.from({ length: 200 }, () => field("X", "y"))),
      "nonsense",
    ],
  };
  for (const [name, [script, fault]] of Object.entries(cases)) {
    await t.step(name, async () => {
      const timeoutMs = fault === "late" ? TIMEOUT_MS : undefined;
      const opinion = await against(script, undefined, timeoutMs);
      assert.equal(opinion.kind === "failed" ? opinion.fault : opinion.kind, fault);
    });
  }
});
