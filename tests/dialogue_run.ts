/** Holds a dialogue against a running server; see `dialogue.ts` for what the steps mean. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Dialogue, ExpectedMessage } from "./dialogue.ts";
import { newCopies, queueIdOf, readCopy } from "./fixtures/maildir.ts";
import { until } from "./fixtures/process.ts";
import type { ServerFixture } from "./fixtures/server.ts";
import { SmtpClient } from "./fixtures/smtp_client.ts";

/** Between segments, so that the kernel does not join them. */
const SEGMENT_GAP_MS = 15;
/** RFC 5321 §4.5.3.1.5 */
const MAX_REPLY_LINE_OCTETS = 512;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs it to its end and answers the ids of the messages it was told are queued. @throws */
export async function runDialogue(
  dialogue: Dialogue,
  server: ServerFixture,
): Promise<readonly string[]> {
  await using run = new Run(dialogue, server);
  await run.connect();
  for (const step of dialogue.steps) {
    try {
      await run.step(step);
    } catch (cause) {
      const { message } = cause as Error;
      throw new Error(`${dialogue.name}:${step.line}: ${message}\n${run.transcript}`, { cause });
    }
  }
  return run.queued;
}

class Run implements AsyncDisposable {
  readonly #dialogue: Dialogue;
  readonly #server: ServerFixture;
  #client: SmtpClient | null = null;
  #isGreeted = false;
  /** Sent and not answered. */
  #hellos = 0;
  readonly queued: string[] = [];
  transcript = "";

  constructor(dialogue: Dialogue, server: ServerFixture) {
    this.#dialogue = dialogue;
    this.#server = server;
  }

  async connect(): Promise<void> {
    const { listener, hasImplicitTls } = this.#dialogue;
    this.#client?.[Symbol.dispose]();
    this.#isGreeted = false;
    this.#client = await SmtpClient.connect(this.#server.ports[listener], {
      tls: hasImplicitTls,
    });
  }

  async step(step: Dialogue["steps"][number]): Promise<void> {
    const client = this.#client!;
    switch (step.kind) {
      case "send":
        this.#hellos += step.hellos;
        this.transcript += `C: ${shown(Buffer.concat(step.segments))}\n`;
        for (const [at, segment] of step.segments.entries()) {
          if (at > 0) await pause(SEGMENT_GAP_MS);
          await client.send(this.#withCredentials(segment));
        }
        break;
      case "drip":
        for (const octet of step.octets) {
          if (client.hasEnded) break;
          await client.send(Uint8Array.of(octet));
          await pause(step.everyMs);
        }
        break;
      case "line": {
        const line = await this.#readLine();
        assert.ok(line.startsWith(step.prefix), `expected ${step.prefix}, got ${line}`);
        break;
      }
      case "pattern":
        assert.match(await this.#readLine(), step.pattern);
        break;
      case "replies":
        for (let n = 0; n < step.count; n++) {
          let line = await this.#readLine();
          while (line[3] === "-") line = await this.#readLine();
          assert.ok(line.startsWith(step.prefix), `expected ${step.prefix}, got ${line}`);
        }
        break;
      case "silent":
        await assert.rejects(client.readLine(step.forMs), /^Error: no line within/);
        break;
      case "wait":
        await pause(step.forMs);
        break;
      case "closes":
        assert.equal(await client.readLine(), null);
        break;
      case "closes_silently":
        assert.doesNotMatch(await client.readToEnd(), /^[245]\d\d[ -]/m);
        break;
      case "half_close":
        client.halfClose();
        break;
      case "tls":
        await client.startTls();
        break;
      case "connect":
        await this.connect();
        break;
      case "message":
        await this.#expectMessage(step.message);
        break;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#client?.[Symbol.dispose]();
    return Promise.resolve();
  }

  /** `{plain}`, `{name}` and `{password}` are what `admin@localhost` logs in with, in base64. */
  #withCredentials(segment: Buffer): Buffer {
    if (!segment.includes("{")) return segment;
    const { password } = this.#server;
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    const text = segment.toString("latin1")
      .replace("{plain}", base64(`\0admin@localhost\0${password}`))
      .replace("{name}", base64("admin@localhost"))
      .replace("{password}", base64(password));
    return Buffer.from(text, "latin1");
  }

  /** The next line, without its end, held to the rules all replies obey. */
  async #readLine(): Promise<string> {
    const line = await this.#client!.readLine();
    assert.ok(line !== null, "the server closed");
    this.transcript += `S: ${line}`;
    // RFC 5321 §4.2
    assert.match(line, /^[2-5]\d\d[ -][ -~]*\r\n$/);
    assert.ok(line.length <= MAX_REPLY_LINE_OCTETS, `reply line of ${line.length} octets`);
    const text = line.slice(0, -2);
    this.#checkStatus(text);
    const id = /^250 2\.0\.0 queued as ([0-9A-Z]{13})$/.exec(text)?.[1];
    if (id !== undefined) this.queued.push(id);
    return text;
  }

  /** RFC 2034 §4: all replies have an enhanced status but the greeting, 3yz and those to a hello. */
  #checkStatus(text: string): void {
    const isGreeting = !this.#isGreeted;
    this.#isGreeted = true;
    const status = /^([245])\.\d{1,3}\.\d{1,3} /.exec(text.slice(4))?.[1];
    if (status !== undefined) {
      assert.equal(status, text[0], `codes disagree: ${text}`);
      const isBare = text[0] === "3" || text.includes(" mx.sluice.test");
      assert.ok(!isBare, `a status where none belongs: ${text}`);
    } else if (!isGreeting && text[0] !== "3") {
      assert.ok(this.#hellos > 0, `no enhanced status: ${text}`);
      if (text[3] === " ") this.#hellos--;
    }
  }

  async #expectMessage(expected: ExpectedMessage): Promise<void> {
    const id = this.queued.at(-1);
    assert.ok(id !== undefined, "no message was queued");
    const { mailbox } = this.#server;
    const names = () => newCopies(mailbox).filter((name) => queueIdOf(name) === id);
    await until(() => names().length >= expected.copies);
    assert.equal(names().length, expected.copies);
    for (const name of names()) {
      const { queueId, trace, octets } = readCopy(mailbox, name);
      assert.equal(queueId, id);
      for (const pattern of expected.trace) assert.match(trace, pattern);
      if (expected.octets === null || octets.equals(expected.octets)) continue;
      assert.equal(shown(octets), shown(expected.octets));
    }
  }
}

const SHOWN_OCTETS = 2000;

function shown(octets: Buffer): string {
  const text = JSON.stringify(octets.toString("latin1"));
  return text.length > SHOWN_OCTETS
    ? `${text.slice(0, SHOWN_OCTETS)}… (${octets.length} octets)`
    : text;
}
