/**
 * Load generator for mail made beforehand, closed loop: so many sessions, each from a source address of its
 * own, send so many of the messages in a file as fast as they are taken, round and round.
 * A program of its own, started with one JSON argument; prints one JSON line at the end.
 */

import type { FloodReport } from "./load_flood.ts";
import { SmtpDialogue } from "./smtp_dialogue.ts";

export interface MessagesOrder {
  readonly host: string;
  readonly port: number;
  readonly sessions: number;
  /** Sessions take them in turn. */
  readonly sourceAddresses: readonly string[];
  readonly messages: number;
  /** The first to send; those before it went out earlier. */
  readonly first: number;
  readonly keepConnections: boolean;
  /** A line of JSON for each message, an `EnvelopeLine`, and the message behind it. */
  readonly path: string;
}

export interface EnvelopeLine {
  readonly from: string;
  readonly to: string;
  readonly octets: number;
}

interface Letter {
  readonly envelope: EnvelopeLine;
  readonly octets: Uint8Array;
}

const LINE_FEED = 10;

function readLetters(file: Uint8Array): readonly Letter[] {
  const letters: Letter[] = [];
  const text = new TextDecoder();
  for (let at = 0; at < file.length;) {
    const end = file.indexOf(LINE_FEED, at);
    const envelope: EnvelopeLine = JSON.parse(text.decode(file.subarray(at, end)));
    at = end + 1 + envelope.octets;
    letters.push({ envelope, octets: file.subarray(end + 1, at) });
  }
  return letters;
}

/** The first refusal ends it. */
async function sendLetters(order: MessagesOrder): Promise<FloodReport> {
  const letters = readLetters(await Deno.readFile(order.path));
  const startedAtMs = performance.now();
  let next = 0;
  let accepted = 0;
  const session = async (at: number) => {
    const localAddress = order.sourceAddresses[at % order.sourceAddresses.length];
    let dialogue: SmtpDialogue | null = null;
    while (next < order.messages) {
      const { envelope, octets } = letters[(order.first + next++) % letters.length];
      dialogue ??= await SmtpDialogue.open({ host: order.host, port: order.port, localAddress });
      await dialogue.sendAs(envelope, octets);
      accepted++;
      if (!order.keepConnections) {
        dialogue.quit();
        dialogue = null;
      }
    }
    dialogue?.quit();
  };
  await Promise.all(Array.from({ length: order.sessions }, (_, at) => session(at)));
  return { accepted, seconds: (performance.now() - startedAtMs) / 1000 };
}

if (import.meta.main) {
  console.log(JSON.stringify(await sendLetters(JSON.parse(Deno.args[0]))));
  Deno.exit(0);
}
