/**
 * Load generator, closed loop: so many sessions send so many messages as fast as they are taken.
 * A program of its own, started with one JSON argument; prints one JSON line at the end.
 * Stands in for `smtp-source` where that is missing, and stamps serials, which `smtp-source` cannot.
 */

import { Buffer } from "node:buffer";
import { SmtpDialogue } from "./smtp_dialogue.ts";
import { payloadOf } from "./stamp.ts";

export interface FloodOrder {
  readonly host: string;
  readonly port: number;
  readonly sessions: number;
  readonly messages: number;
  readonly sizeOctets: number;
  readonly keepConnections: boolean;
}

export interface FloodReport {
  readonly accepted: number;
  readonly seconds: number;
}

/** Serials run from 0; the first refusal ends the flood. */
async function flood(order: FloodOrder): Promise<FloodReport> {
  const payload = Buffer.from(payloadOf(order.sizeOctets), "latin1");
  const startedAtMs = performance.now();
  let next = 0;
  let accepted = 0;
  const session = async () => {
    let dialogue: SmtpDialogue | null = null;
    while (next < order.messages) {
      const serial = next++;
      dialogue ??= await SmtpDialogue.open(order);
      await dialogue.send({ serial, payload });
      accepted++;
      if (!order.keepConnections) {
        dialogue.quit();
        dialogue = null;
      }
    }
    dialogue?.quit();
  };
  await Promise.all(Array.from({ length: order.sessions }, session));
  return { accepted, seconds: (performance.now() - startedAtMs) / 1000 };
}

if (import.meta.main) {
  console.log(JSON.stringify(await flood(JSON.parse(Deno.args[0]))));
  Deno.exit(0);
}
