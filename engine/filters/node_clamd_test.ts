import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { freePort } from "../../tests/fixtures/ports.ts";
import type { FilterOpinion } from "./filter.ts";
import { NodeClamd } from "./node_clamd.ts";
import { filterInput } from "./testdata/filter_input.ts";
import { startFilterProgram } from "./testdata/program_filter.ts";
import { drain, sayForEver, ScriptedFilter } from "./testdata/scripted_filter.ts";

/** The test file every scanner knows, in two pieces so that none takes offence at this one. */
const EICAR = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].join(
  "",
);
const TIMEOUT_MS = 300;

function faultOf(opinion: FilterOpinion): string {
  return opinion.kind === "failed" ? opinion.fault : opinion.kind;
}

async function ask(
  serve: (conn: Deno.Conn) => Promise<void>,
  message = filterInput(),
  timeoutMs = 10_000,
): Promise<FilterOpinion> {
  await using server = new ScriptedFilter(serve);
  return await new NodeClamd({ address: server.address })
    .check(message, AbortSignal.timeout(timeoutMs));
}

/** What came up to the length of none. */
async function readStream(conn: Deno.Conn): Promise<Buffer> {
  const buffer = new Uint8Array(65_536);
  let all: Buffer = Buffer.alloc(0);
  for (;;) {
    const octets = await conn.read(buffer);
    if (octets === null) return all;
    all = Buffer.concat([all, buffer.subarray(0, octets)]);
    if (all.subarray(-4).equals(Buffer.alloc(4))) return all;
  }
}

function answering(text: string): (conn: Deno.Conn) => Promise<void> {
  return async (conn) => {
    await readStream(conn);
    await conn.write(Buffer.from(text));
  };
}

Deno.test("NodeClamd: sends the message in chunks behind their lengths", async () => {
  const message = filterInput(`Subject: x\r\n\r\n${"y".repeat(100_000)}`);
  let seen: Buffer = Buffer.alloc(0);
  const opinion = await ask(async (conn) => {
    seen = await readStream(conn);
    await conn.write(Buffer.from("stream: OK\0"));
  }, message);
  assert.equal(opinion.kind, "passed");
  assert.equal(seen.toString("latin1", 0, 10), "zINSTREAM\0");
  const sent: Buffer[] = [];
  for (let at = 10; at < seen.length;) {
    const length = seen.readUInt32BE(at);
    assert.ok(length <= 65_536);
    sent.push(seen.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  assert.deepEqual(new Uint8Array(Buffer.concat(sent)), message.octets);
  assert.equal(sent.at(-1)!.length, 0);
});

Deno.test("NodeClamd: a virus is refused for good, without its name", async () => {
  await using server = new ScriptedFilter(answering("stream: Win.Worm.X FOUND\0"));
  const found: string[] = [];
  const clamd = new NodeClamd({
    address: server.address,
    onFound: ({ signature }) => found.push(signature),
  });
  const opinion = await clamd.check(filterInput(), AbortSignal.timeout(10_000));
  assert.ok(opinion.kind === "refused");
  const { code, enhancedStatus, text } = opinion.reply;
  assert.deepEqual([code, enhancedStatus], [554, "5.7.1"]);
  assert.doesNotMatch(text, /Worm/);
  assert.deepEqual(found, ["Win.Worm.X"]);
});

Deno.test("NodeClamd: what is no answer is a failure, whichever way it is none", async (t) => {
  const cases: Record<string, [serve: (conn: Deno.Conn) => Promise<void>, fault: string]> = {
    "an error of its own": [answering("stream: Can't allocate memory ERROR\0"), "nonsense"],
    "nothing clamd says": [answering("HTTP/1.1 400 Bad Request\0"), "nonsense"],
    "an answer cut off": [answering("stream: OK"), "nonsense"],
    "an empty answer": [answering("\0"), "nonsense"],
    "no answer, closed": [answering(""), "nonsense"],
    "closed at once": [() => Promise.resolve(), "nonsense"],
    "an answer without end": [(conn) => sayForEver(conn, Buffer.from("stream: OK ")), "nonsense"],
    "an answer and blanks without end": [
      async (conn) => {
        await conn.write(Buffer.from("stream: OK"));
        await sayForEver(conn, Buffer.from(" ".repeat(500)));
      },
      "nonsense",
    ],
    "an answer that drips": [(conn) => sayForEver(conn, Buffer.from("x"), 20), "late"],
    "silence": [drain, "late"],
    "too large": [answering("INSTREAM size limit exceeded. ERROR\0"), "too_large"],
  };
  for (const [name, [serve, fault]] of Object.entries(cases)) {
    await t.step(name, async () => {
      const timeoutMs = fault === "late" ? TIMEOUT_MS : undefined;
      assert.equal(faultOf(await ask(serve, undefined, timeoutMs)), fault);
    });
  }
  await t.step("reads nothing", async () => {
    const large = filterInput(`Subject: x\r\n\r\n${"y".repeat(8_000_000)}`);
    const idle = () => new Promise<void>((resolve) => setTimeout(resolve, TIMEOUT_MS + 100));
    assert.equal(faultOf(await ask(idle, large, TIMEOUT_MS)), "late");
  });
  await t.step("nobody there", async () => {
    const address = { transport: "unix", path: "/nowhere/clamd.sock" } as const;
    const opinion = await new NodeClamd({ address }).check(
      filterInput(),
      AbortSignal.timeout(TIMEOUT_MS),
    );
    assert.equal(faultOf(opinion), "unreachable");
  });
});

/** A clamd that knows one signature and takes 100 KiB, on a unix socket and a port. */
function startClamd(port: number) {
  return startFilterProgram({
    path: "/usr/sbin/clamd",
    stopSignal: "SIGKILL",
    prepare: async (dir) => {
      await Deno.mkdir(`${dir}/db`);
      const hex = Buffer.from(EICAR).toString("hex");
      await Deno.writeTextFile(`${dir}/db/test.ndb`, `Eicar-Test:0:*:${hex}\n`);
      const path = `${dir}/clamd.sock`;
      await Deno.writeTextFile(
        `${dir}/clamd.conf`,
        [
          ...[`DatabaseDirectory ${dir}/db`, `LocalSocket ${path}`, `TCPSocket ${port}`],
          ...["TCPAddr 127.0.0.1", "Foreground yes", "StreamMaxLength 100K", ""],
        ].join("\n"),
      );
      return { args: ["-c", `${dir}/clamd.conf`], address: { transport: "unix", path } };
    },
  });
}

Deno.test("NodeClamd: a real clamd finds the test virus, also in an attachment, and takes no more than it says", async () => {
  const port = freePort();
  await using server = await startClamd(port);
  if (server === null) return;
  const attached = [
    ...[
      "From: a@example.net",
      "MIME-Version: 1.0",
      "Content-Type: multipart/mixed; boundary=b",
      "",
    ],
    ...["--b", "Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64"],
    ...["", Buffer.from(EICAR).toString("base64"), "--b--", ""],
  ].join("\r\n");
  const addresses = [
    server.address,
    { transport: "tcp", host: "127.0.0.1", port },
  ] as const;
  for (const address of addresses) {
    const clamd = new NodeClamd({ address });
    const check = async (text: string) =>
      faultOf(await clamd.check(filterInput(text), AbortSignal.timeout(10_000)));
    assert.equal(await check("Subject: x\r\n\r\nhello\r\n"), "passed");
    assert.equal(await check(`Subject: x\r\n\r\n${EICAR}\r\n`), "refused");
    assert.equal(await check(attached), "refused");
    // Over and over: the answer races with the end of the connection.
    for (let n = 0; n < 8; n++) {
      assert.equal(await check(`Subject: x\r\n\r\n${"y".repeat(3_000_000)}`), "too_large");
    }
  }
});
