/**
 * Load generator that does nothing: opens so many connections, says EHLO on each and keeps them.
 * A program of its own, started with one JSON argument; prints one JSON line once all are open and
 * ends when its standard input does.
 */

import { SmtpDialogue } from "./smtp_dialogue.ts";

export interface IdleOrder {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
}

export interface IdleReport {
  readonly open: number;
}

/** So many connections are being opened at a time. */
const openersAtOnce = 8;
/** Connections come from so many loopback addresses, as those of a busy host come from many. */
const sourceAddresses = 64;

async function holdOpen(order: IdleOrder): Promise<readonly SmtpDialogue[]> {
  const held: SmtpDialogue[] = [];
  let next = 0;
  const opener = async () => {
    while (next < order.connections) {
      const localAddress = `127.0.1.${1 + next++ % sourceAddresses}`;
      held.push(await SmtpDialogue.open({ host: order.host, port: order.port, localAddress }));
    }
  };
  await Promise.all(Array.from({ length: openersAtOnce }, opener));
  return held;
}

if (import.meta.main) {
  const held = await holdOpen(JSON.parse(Deno.args[0]));
  const open = () => held.filter((dialogue) => !dialogue.broken).length;
  console.log(JSON.stringify({ open: open() }));
  for await (const _ of Deno.stdin.readable) console.log(JSON.stringify({ open: open() }));
  Deno.exit(0);
}
