/**
 * Whether a server judges at all, before it is measured: good mail has to arrive with the results of SPF, DKIM
 * and DMARC in it, all "pass", and with what its classifier has learnt, and forged mail has to be refused for good.
 */

import type { JudgedMail, Letter } from "./judged_mail.ts";
import type { RunningServer } from "./peers/contender.ts";
import { poll, type Workplace } from "./process.ts";
import { startLmtpSink } from "./sink_control.ts";
import { SmtpDialogue } from "./smtp_dialogue.ts";

export interface Proof {
  /** Fields of a good message as it arrived that tell how it was judged. */
  readonly fields: readonly string[];
  /** What the client was told of a forged one. */
  readonly refusal: string;
}

const WANTED = ["spf=pass", "dkim=pass", "dmarc=pass"];
/** What both call it when their classifiers, having learnt, hold a message to be good. */
const LEARNT = "bayes_ham";
const LEARNT_WITHIN_MS = 90_000;
const TELLING = /^(authentication-results|x-spam[\w-]*|received-spf)\s*:/i;

/** @throws {Error} when it does not. */
export async function proveJudging(
  server: RunningServer,
  options: { readonly workplace: Workplace; readonly mail: JudgedMail; readonly name: string },
): Promise<Proof> {
  const { workplace, mail, name } = options;
  const { signal } = workplace;
  const dumpDirectory = `${workplace.directory}/proof-${name}`;
  await Deno.mkdir(dumpDirectory);
  // The sink writes as nobody.
  await Deno.chmod(dumpDirectory, 0o777);
  await using _sink = await startLmtpSink(workplace, { dumpDirectory });
  const send = async (letter: Letter) => {
    const localAddress = mail.sourceAddresses[0];
    const target = { host: "127.0.0.1", port: server.smtpPort, localAddress };
    const dialogue = await SmtpDialogue.open(target);
    await dialogue.sendAs(letter, letter.message);
    dialogue.quit();
  };
  const judgedFields = async () => {
    await send(await mail.write());
    const head = await poll(() => takeHead(dumpDirectory), {
      what: "a good message arriving",
      deadlineMs: 30_000,
      everyMs: 50,
      signal,
    });
    const fields = head.filter((field) => TELLING.test(field));
    const told = fields.join("\n").toLowerCase();
    const missing = WANTED.filter((result) => !told.includes(result));
    if (missing.length === 0) return told.includes(LEARNT) ? fields : null;
    throw new Error(`${name} does not find ${missing.join(", ")}:\n${head.join("\n")}`);
  };
  // A server may take its time until it judges by what it was taught.
  const fields = await poll(judgedFields, {
    what: `${name} judging by what it learnt`,
    deadlineMs: LEARNT_WITHIN_MS,
    everyMs: 2000,
    signal,
  });
  const refusal = await send(await mail.write({ isForged: true })).then(() => "taken", String);
  if (!/got "5\d\d/.test(refusal)) throw new Error(`${name} and a forged message: ${refusal}`);
  return { fields, refusal };
}

/** The header fields of a message in the directory, unfolded, and the message gone; `null` while there is none. */
async function takeHead(directory: string): Promise<readonly string[] | null> {
  for await (const { name } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    const text = (await Deno.readTextFile(path)).replaceAll("\r\n", "\n");
    const start = text.search(/^(received|return-path|authentication-results|x-[\w-]+):/im);
    const end = text.indexOf("\n\n", Math.max(start, 0));
    if (start < 0 || end < 0) continue;
    await Deno.remove(path);
    return text.slice(start, end).replace(/\n[ \t]+/g, " ").split("\n");
  }
  return null;
}
