import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { type Extensions, SmtpSession } from "./node_smtp_session.ts";
import { type Script, ScriptedServer, smtpScript } from "./testdata/scripted_server.ts";
import type { Transmission, TransmissionResult } from "./transmission.ts";

const EXTENSIONS: Extensions = {
  pipelining: true,
  eightBitMime: true,
  smtpUtf8: true,
  size: true,
  maxOctets: Infinity,
};

function transmission(name: string, fields: Partial<Transmission> = {}): Transmission {
  return {
    reversePath: "ann@here.test",
    forwardPaths: [`${name}@there.test`],
    bodyType: "7bit",
    needsSmtpUtf8: false,
    octets: Buffer.from(`Subject: ${name}\r\n\r\n.dot\r\n`),
    beginBeforeMs: Infinity,
    endBeforeMs: Infinity,
    ...fields,
  };
}

interface Run {
  readonly server: ScriptedServer;
  readonly session: SmtpSession;
  /** What became of what `queue` held, in its order. */
  readonly results: Promise<TransmissionResult>[];
  readonly closed: Promise<void>;
  readonly clock: { nowMs: number };
}

/** A session that is given the next of `queue` whenever it is ready. */
async function withSession(
  script: Script,
  options: { queue?: Transmission[]; extensions?: Partial<Extensions> },
  use: (run: Run) => Promise<void>,
): Promise<void> {
  await using server = await ScriptedServer.start(script);
  const socket = connect({ host: "127.0.0.1", port: server.port, noDelay: true });
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  const queue = [...options.queue ?? []];
  const results: Promise<TransmissionResult>[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  let closings = 0;
  const clock = { nowMs: 1_000 };
  const run: Run = {
    server,
    results,
    closed,
    clock,
    session: new SmtpSession({
      protocol: "smtp",
      socket,
      extensions: { ...EXTENSIONS, ...options.extensions },
      commandTimeoutMs: 1_000,
      now: () => clock.nowMs,
      onReady: () => feed(),
      onClosed: () => {
        closings++;
        resolve();
      },
    }),
  };
  const feed = () => {
    const next = queue.shift();
    if (next !== undefined) results.push(run.session.transmit(next));
  };
  feed();
  await use(run);
  run.session.close();
  await closed;
  assert.equal(closings, 1);
  assert.equal(run.session.isReady, false);
}

/** Plays a queue through; the kinds of the outcomes by transmission, or `untried`. */
async function play(
  script: Script,
  queue: Transmission[],
  extensions: Partial<Extensions> = {},
): Promise<string[]> {
  const kinds: string[] = [];
  await withSession(script, { queue, extensions }, async ({ results, closed }) => {
    for (let i = 0; i < queue.length; i++) {
      if (results[i] === undefined) {
        await closed;
        break;
      }
      const result = await results[i];
      kinds.push(
        result.kind === "untried" ? "untried" : result.outcomes.map(({ kind }) => kind).join(),
      );
    }
  });
  return kinds;
}

function refusing(replies: Record<string, string>): (command: string) => string | undefined {
  return (command) => {
    for (const [part, reply] of Object.entries(replies)) {
      if (part === "." ? command === "." : command.includes(part)) return reply;
    }
  };
}

for (const pipelining of [true, false]) {
  const way = pipelining ? "pipelined" : "step by step";
  const test = (name: string, run: () => Promise<void>) =>
    Deno.test(`SmtpSession, ${way}: ${name}`, run);
  const both = ["one", "two"].map((name) => transmission(name));

  test("messages follow one another over one connection, dots and all", async () => {
    const { run, messages, commands } = smtpScript();
    const queue = ["one", "two", "three"].map((name) => transmission(name));
    assert.deepEqual(await play(run, queue, { pipelining }), Array(3).fill("delivered"));
    assert.deepEqual(messages, queue.map(({ octets }) => Buffer.from(octets).toString()));
    assert.equal(commands[0], "MAIL FROM:<ann@here.test> SIZE=22");
    assert.equal(commands.filter((command) => command.startsWith("MAIL")).length, 3);
    assert.ok(!commands.includes("RSET"));
  });

  const steps = {
    MAIL: "MAIL",
    RCPT: "RCPT",
    DATA: "DATA",
    "the end of the message": ".",
  };
  for (const [step, command] of Object.entries(steps)) {
    for (const [code, kind] of [[451, "deferred"], [554, "failed"]] as const) {
      test(`${code} to ${step} is ${kind}, and the next message passes`, async () => {
        let refusals = 1;
        const reply = `${code} 4.3.0 no`;
        const { run, messages, commands } = smtpScript({
          answer: (said) => {
            const isIt = command === "." ? said === "." : said.startsWith(command);
            return isIt && refusals-- > 0 ? reply : undefined;
          },
        });
        const results = await play(run, both, { pipelining });
        assert.deepEqual(results, [kind, "delivered"]);
        assert.equal(messages.at(-1), Buffer.from(both[1].octets).toString());
        // An open transaction would make the next MAIL a 503 (RFC 5321 §4.1.4).
        const isLeftOpen = command === "RCPT" || command === "DATA";
        assert.equal(commands.includes("RSET"), isLeftOpen);
      });
    }
  }

  test("each recipient has an outcome of its own", async () => {
    const forwardPaths = ["yes1", "no", "later", "yes2"].map((name) => `${name}@there.test`);
    const { run, messages } = smtpScript({
      answer: refusing({ "<no@": "550 5.1.1 who?", "<later@": "450 4.2.0 later" }),
    });
    const queue = [transmission("many", { forwardPaths }), transmission("two")];
    assert.deepEqual(await play(run, queue, { pipelining }), [
      "delivered,failed,deferred,delivered",
      "delivered",
    ]);
    assert.equal(messages.length, 2);
  });

  test("a refused message is refused for those recipients only who were taken", async () => {
    const forwardPaths = ["yes", "no"].map((name) => `${name}@there.test`);
    const { run } = smtpScript({ answer: refusing({ "<no@": "550 who?", ".": "452 full" }) });
    const queue = [transmission("many", { forwardPaths })];
    assert.deepEqual(await play(run, queue, { pipelining }), ["deferred,failed"]);
  });

  test("354 though everybody was refused: nothing is sent, nobody is delivered to", async () => {
    const { run, messages } = smtpScript({
      answer: refusing({ RCPT: "550 who?", DATA: "354 go" }),
    });
    assert.equal((await play(run, both.slice(0, 1), { pipelining }))[0], "failed");
    assert.deepEqual(messages.filter((message) => message.includes("Subject")), []);
  });

  for (const [step, command] of Object.entries(steps)) {
    test(`421 to ${step} of a kept session`, async () => {
      const first = { left: 1 };
      const { run, messages } = smtpScript({
        answer: (said) => {
          const isIt = command === "." ? said === "." : said.startsWith(command);
          return isIt && first.left-- <= 0 ? "421 4.3.2 closing" : undefined;
        },
        after: (peer, said) => {
          const isIt = command === "." ? said === "." : said.startsWith(command);
          if (isIt && first.left < 0) peer.end();
          return true;
        },
      });
      // The message was sent already, or nothing was taken and another connection may be tried.
      const second = command === "." ? "deferred" : "untried";
      assert.deepEqual(await play(run, both, { pipelining }), ["delivered", second]);
      assert.equal(messages.length, command === "." ? 2 : 1);
    });
  }

  for (
    const [name, odd] of Object.entries({
      "no reply": "hello",
      "a reply of two codes": "250-fine\r\n550 no",
      "one reply too many": "250 fine\r\n250 fine",
    })
  ) {
    test(`${name} anywhere tells nobody they are delivered to`, async () => {
      for (const command of ["MAIL", "RCPT", "DATA"]) {
        const { run, messages } = smtpScript({ answer: refusing({ [command]: odd }) });
        const [result] = await play(run, both, { pipelining });
        assert.equal(result, "deferred", command);
        assert.deepEqual(messages, []);
      }
    });
  }

  test("replies in one segment, in octets, in several lines: all the same", async () => {
    const several = (command: string) =>
      command === "DATA" ? "354-go\r\n354-\r\n354" : "250-fine\r\n250-\r\n250 2.0.0 fine";
    for (const answer of [() => undefined, several]) {
      const { run, messages } = smtpScript({
        answer,
        send: async (peer, reply) => {
          for (const octet of reply) await peer.send(octet);
        },
      });
      assert.deepEqual(await play(run, both, { pipelining }), ["delivered", "delivered"]);
      assert.equal(messages.length, 2);
    }
  });

  test("a reply without end is not listened to", async () => {
    for (const flood of ["250-more\r\n".repeat(5_000), "250 " + "x".repeat(40_000)]) {
      const { run } = smtpScript({ answer: refusing({ MAIL: flood }) });
      assert.deepEqual(await play(run, both.slice(0, 1), { pipelining }), ["deferred"]);
    }
  });

  test("cut off at any point: delivered only if said so, untried only if not sent", async () => {
    const queue = ["one", "two", "three"].map((name) => transmission(name));
    for (const ending of ["end", "destroy"] as const) {
      for (let replies = 0; replies <= 12; replies++) {
        let left = replies;
        let accepted = 0;
        const { run, messages } = smtpScript({
          answer: () => left-- > 0 ? undefined : null,
          after: (peer, command) => {
            if (left >= 0 && command === ".") accepted++;
            if (left > 0) return true;
            peer[ending]();
            return false;
          },
        });
        const results = await play(run, queue, { pipelining });
        const point = `${ending} after ${replies}: ${results}`;
        const delivered = results.filter((kind) => kind === "delivered").length;
        // A reset may overtake the last replies.
        if (ending === "end") assert.equal(delivered, accepted, point);
        else assert.ok(delivered <= accepted, point);
        results.forEach((kind, i) => {
          if (kind === "untried") {
            assert.ok(i > 0, point);
            assert.ok(
              !messages.some((text) =>
                text.includes(`Subject: ${queue[i].forwardPaths[0].split("@")[0]}`)
              ),
              point,
            );
          } else assert.ok(kind === "delivered" || kind === "deferred", point);
        });
        const order = results.map((kind) => kind === "delivered" ? 0 : 1);
        assert.deepEqual(order, order.toSorted(), point);
      }
    }
  });

  test("a server that says nothing, or trickles, has its time and no more", async () => {
    for (const trickle of ["", "250-wait\r\n", "\r\n"]) {
      const script: Script = async (peer) => {
        await peer.line();
        if (trickle !== "") await peer.send(trickle);
      };
      const queue = [transmission("one")];
      await withSession(script, { queue, extensions: { pipelining } }, async (run) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        run.clock.nowMs = 1_500;
        run.session.checkDeadline(1_999);
        assert.equal(run.session.isIdle, false);
        run.session.checkDeadline(2_000);
        const result = await run.results[0];
        assert.ok(result.kind === "answered");
        assert.equal(result.outcomes[0].kind, "deferred");
        assert.match(result.outcomes[0].diagnostic, /does not answer/);
      });
    }
  });

  test("no attempt outlives its own end, however lively the server", async () => {
    const { run: script } = smtpScript({ answer: (said) => said === "." ? null : undefined });
    const queue = [transmission("one", { endBeforeMs: 1_500 })];
    await withSession(script, { queue, extensions: { pipelining } }, async (run) => {
      run.session.checkDeadline(1_499);
      assert.equal(run.session.isIdle, false);
      run.session.checkDeadline(1_500);
      const result = await run.results[0];
      assert.ok(result.kind === "answered" && result.outcomes[0].kind === "deferred");
    });
  });
}

Deno.test("SmtpSession: the next envelope leaves with the message before it (RFC 2920 §3.1)", async () => {
  const seen: string[] = [];
  const script: Script = async (peer) => {
    for (let i = 0; i < 3; i++) await peer.line();
    await peer.send("250 a\r\n250 b\r\n354 c\r\n");
    await peer.message();
    // No reply to the message yet, and the next transaction is here already.
    for (let i = 0; i < 3; i++) seen.push(await peer.line() ?? "");
    await peer.send("250 a\r\n250 b\r\n250 c\r\n354 d\r\n");
    await peer.message();
    await peer.send("250 e\r\n");
  };
  const queue = [transmission("one"), transmission("two")];
  assert.deepEqual(await play(script, queue), ["delivered", "delivered"]);
  assert.deepEqual(seen.map((line) => line.split(" ")[0]), ["MAIL", "RCPT", "DATA"]);
});

Deno.test("SmtpSession: what the server announced not to take is not sent to it", async () => {
  const { run, commands } = smtpScript();
  const large = transmission("large", { octets: Buffer.alloc(100) });
  const global = transmission("global", { needsSmtpUtf8: true });
  await withSession(
    run,
    { extensions: { maxOctets: 99, smtpUtf8: false } },
    async ({ session }) => {
      for (const [request, status] of [[large, "5.3.4"], [global, "5.6.7"]] as const) {
        const result = await session.transmit(request);
        assert.ok(result.kind === "answered");
        assert.equal(result.outcomes[0].kind, "failed");
        assert.equal(result.outcomes[0].enhancedStatus, status);
      }
      assert.equal(session.isReady, true);
      assert.equal(session.isIdle, true);
    },
  );
  assert.ok(commands.every((command) => command === "QUIT"));
});

Deno.test("SmtpSession: parameters of MAIL are those the server offered", async () => {
  const { run, commands } = smtpScript();
  const eight = transmission("x", { bodyType: "8bitmime", needsSmtpUtf8: true, reversePath: "" });
  await play(run, [eight]);
  assert.equal(commands[0], "MAIL FROM:<> SIZE=20 BODY=8BITMIME SMTPUTF8");
  const plain = smtpScript();
  await play(plain.run, [transmission("x", { bodyType: "8bitmime" })], {
    eightBitMime: false,
    size: false,
  });
  assert.equal(plain.commands[0], "MAIL FROM:<ann@here.test>");
});

Deno.test("SmtpSession: an idle session takes the server's word and its end", async () => {
  for (const word of ["421 idle too long\r\n", "250 out of the blue\r\n", ""]) {
    const script: Script = async (peer) => {
      if (word !== "") await peer.send(word);
      peer.end();
    };
    await withSession(script, {}, async ({ closed, session }) => {
      await closed;
      assert.equal(session.isReady, false);
    });
  }
});

Deno.test("SmtpSession: says QUIT when it is not needed any more, and does not wait for ever", async () => {
  const { run, commands } = smtpScript();
  let server: ScriptedServer | undefined;
  await withSession(run, {}, async (open) => {
    server = open.server;
    open.session.close();
    await server.peers[0].closed();
  });
  assert.deepEqual(commands, ["QUIT"]);
});

Deno.test("SmtpSession: a large message full of dots arrives as it is", async () => {
  const octets = Buffer.from("Subject: large\r\n\r\n" + "..\r\n.\r\nx\r\n".repeat(100_000));
  const { run, messages } = smtpScript();
  const queue = [transmission("large", { octets }), transmission("after")];
  assert.deepEqual(await play(run, queue), ["delivered", "delivered"]);
  assert.equal(messages[0], octets.toString());
});
