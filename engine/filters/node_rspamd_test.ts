import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { freePort } from "../../tests/fixtures/ports.ts";
import type { FilterOpinion } from "./filter.ts";
import { NodeMilter } from "./node_milter.ts";
import { NodeRspamd } from "./node_rspamd.ts";
import { filterInput } from "./testdata/filter_input.ts";
import { startFilterProgram } from "./testdata/program_filter.ts";
import { drain, sayForEver, ScriptedFilter } from "./testdata/scripted_filter.ts";

const TIMEOUT_MS = 300;

function rspamdAt(port: number): NodeRspamd {
  return new NodeRspamd({ url: `http://127.0.0.1:${port}`, weight: 0.5, hostname: "mx.test" });
}

function faultOf(opinion: FilterOpinion): string {
  return opinion.kind === "failed" ? opinion.fault : opinion.kind;
}

Deno.test("NodeRspamd: sends the octets with what the session knows, and takes the score at its weight", async () => {
  let seen: { path: string; headers: Headers; body: Uint8Array } | undefined;
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      seen = {
        path: new URL(request.url).pathname,
        headers: request.headers,
        body: await request.bytes(),
      };
      return Response.json({
        action: "add header",
        score: 7.5,
        symbols: { A: { score: 0 }, B_SPAM: { score: 2 }, C_SPAM: { score: 5.5 } },
      });
    },
  );
  const message = filterInput("Subject: \xe4\r\n\r\nhello\r\n", {
    recipients: ["ann@example.org", '"x,y"@example.org', "jürgen@example.org"],
    heloName: "a\r\nIP: 127.0.0.1",
  });
  const opinion = await rspamdAt(server.addr.port).check(message, AbortSignal.timeout(5_000));
  assert.deepEqual(opinion, {
    kind: "passed",
    signals: [{
      name: "RSPAMD",
      points: 3.75,
      text: "rspamd scores 7.5: C_SPAM 5.5, B_SPAM 2",
    }],
    quarantine: null,
    changes: { onTop: "", removed: [] },
  });
  assert.ok(seen !== undefined);
  assert.equal(seen.path, "/checkv2");
  assert.deepEqual(seen.body, message.octets);
  const { headers } = seen;
  assert.equal(headers.get("from"), "<a@example.net>");
  assert.equal(headers.get("ip"), "192.0.2.1");
  assert.equal(headers.get("helo"), "a??IP: 127.0.0.1");
  assert.equal(headers.get("hostname"), "mail.example.net");
  assert.equal(headers.get("queue-id"), "0AM8N6VJR0100");
  assert.equal(
    Buffer.from(headers.get("rcpt") ?? "", "latin1").toString("utf8"),
    '<ann@example.org>, <"x,y"@example.org>, <jürgen@example.org>',
  );
});

Deno.test("NodeRspamd: what is no answer is a failure, whichever way it is none", async (t) => {
  const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
  const say = (text: string) => async (conn: Deno.Conn) => {
    await conn.read(new Uint8Array(65_536));
    await conn.write(Buffer.from(text));
  };
  const sayOn = (text: string, rest: string, pauseMs: number) => async (conn: Deno.Conn) => {
    await say(text)(conn);
    await sayForEver(conn, Buffer.from(rest), pauseMs);
  };
  const chunk = `${(4_000).toString(16)}\r\n${"[".repeat(4_000)}\r\n`;
  const cases: Record<string, [serve: (conn: Deno.Conn) => Promise<void>, fault: string]> = {
    "an error": [say("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), "nonsense"],
    "sent on elsewhere": [
      say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
      "nonsense",
    ],
    "no JSON": [say(`${head}Content-Length: 5\r\n\r\nhello`), "nonsense"],
    "cut off": [say(`${head}Content-Length: 500\r\n\r\n{"action":`), "nonsense"],
    "no HTTP": [say("\0\0\0\0\0\0\0\0\r\n\r\n"), "unreachable"],
    "closed at once": [() => Promise.resolve(), "unreachable"],
    "an answer without end": [
      sayOn(`${head}Transfer-Encoding: chunked\r\n\r\n`, chunk, 0),
      "nonsense",
    ],
    "an answer that drips": [
      sayOn(`${head}Transfer-Encoding: chunked\r\n\r\n`, "1\r\n \r\n", 20),
      "late",
    ],
    "silence": [drain, "late"],
  };
  for (const [name, [serve, fault]] of Object.entries(cases)) {
    await t.step(name, async () => {
      await using server = new ScriptedFilter(serve);
      assert.ok(server.address.transport === "tcp");
      const signal = AbortSignal.timeout(fault === "late" ? TIMEOUT_MS : 10_000);
      assert.equal(
        faultOf(await rspamdAt(server.address.port).check(filterInput(), signal)),
        fault,
      );
    });
  }
});

/** An rspamd with two rules of its own, as an HTTP server and as a milter. */
function startRspamd(port: number) {
  return startFilterProgram({
    path: "/usr/bin/rspamd",
    stopSignal: "SIGTERM",
    prepare: async (dir) => {
      const write = (name: string, lines: readonly string[]) =>
        Deno.writeTextFile(`${dir}/${name}`, lines.map((line) => `${line}\n`).join(""));
      await write("suffixes", ["com", "net", "org", "test"]);
      await write("rules.lua", [
        ...[["BAD", 20], ["MEH", 7.5]].flatMap(([word, score]) => [
          `rspamd_config:register_symbol{ name = 'LOCAL_${word}', type = 'normal', score = ${score},`,
          `  callback = function(task) return (task:get_subject() or ''):find('${word}') ~= nil end }`,
        ]),
        "rspamd_config:register_symbol{ name = 'SEES_ALL', type = 'normal', score = 1,",
        "  callback = function(task)",
        "  local ip, from = task:get_from_ip(), task:get_from('smtp')",
        "  return tostring(ip) == '192.0.2.1' and from[1].addr == 'a@example.net'",
        "    and #task:get_recipients('smtp') == 2 and task:get_helo() == 'mail.example.net' end }",
      ]);
      await write("rspamd.conf", [
        `options { url_tld = "${dir}/suffixes"; disable_hyperscan = true; tempdir = "${dir}";`,
        `  hs_cache_dir = "${dir}"; dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; } }`,
        `logging { type = "file"; filename = "${dir}/log"; level = "error"; }`,
        `worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; mime = true; }`,
        `worker "rspamd_proxy" { bind_socket = "${dir}/milter.sock mode=0666"; milter = yes;`,
        `  count = 1; upstream "local" { default = yes; hosts = "127.0.0.1:${port}"; } }`,
        `lua = "${dir}/rules.lua";`,
        `actions { reject = 15; add_header = 6; }`,
      ]);
      await Deno.chmod(dir, 0o777);
      return {
        args: ["-f", "-i", "-c", `${dir}/rspamd.conf`],
        address: { transport: "tcp", host: "127.0.0.1", port },
      };
    },
  });
}

Deno.test("NodeRspamd, NodeMilter: a real rspamd answers both ways", async () => {
  const port = freePort();
  await using server = await startRspamd(port);
  if (server === null) return;
  const facts = { recipients: ["ann@example.org", '"x,y"@example.org'] };
  const check = (text: string) =>
    rspamdAt(port).check(filterInput(text, facts), AbortSignal.timeout(10_000));
  const meh = await check("From: a@example.net\r\nSubject: MEH\r\n\r\nhello\r\n");
  assert.ok(meh.kind === "passed", JSON.stringify(meh));
  assert.deepEqual(meh.signals.map(({ points, text }) => [points, text]), [
    [4.25, "rspamd scores 8.5: LOCAL_MEH 7.5, SEES_ALL 1"],
  ]);
  const bad = await check("From: a@example.net\r\nSubject: BAD\r\n\r\nhello\r\n");
  assert.ok(bad.kind === "refused");
  assert.deepEqual([bad.reply.code, bad.reply.enhancedStatus], [554, "5.7.1"]);

  using milter = new NodeMilter({
    address: { transport: "unix", path: `${server.dir}/milter.sock` },
    hostname: "mx.test",
    now: () => performance.now(),
  });
  for (const [subject, kind] of [["x", "passed"], ["BAD", "refused"], ["y", "passed"]]) {
    const message = filterInput(
      `From: a@example.net\r\nSubject: ${subject}\r\n\r\nhello\r\n`,
      facts,
    );
    const opinion = await milter.check(message, AbortSignal.timeout(10_000));
    assert.equal(opinion.kind, kind, JSON.stringify(opinion));
  }
});
