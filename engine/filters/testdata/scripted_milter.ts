/** A milter of a test's own: reads packets, tells what they were, and answers as the test wants. */
import { Buffer } from "node:buffer";
import { milterPacket } from "../milter_packets.ts";

export interface HeardPacket {
  readonly command: string;
  readonly rest: Buffer;
}

export interface MilterScript {
  /** Protocol flags it asks for. */
  readonly protocol?: number;
  readonly version?: number;
  /** Octets to say to a packet; `undefined` keeps silent, `null` hangs up. Macros are not answered. */
  readonly answer?: (packet: HeardPacket) => Uint8Array | null | undefined;
  readonly heard?: HeardPacket[];
}

export const CONTINUE = milterPacket("c");

export function optionsPacket(version: number, protocol: number): Uint8Array {
  const octets = Buffer.alloc(12);
  octets.writeUInt32BE(version);
  octets.writeUInt32BE(0x31, 4);
  octets.writeUInt32BE(protocol, 8);
  return milterPacket("O", octets);
}

export function scriptedMilter(script: MilterScript): (conn: Deno.Conn) => Promise<void> {
  const { protocol = 0, version = 6, answer = () => CONTINUE, heard = [] } = script;
  return async (conn) => {
    for await (const packet of packetsOf(conn)) {
      heard.push(packet);
      const { command } = packet;
      if (command === "D" || command === "K" || command === "Q") continue;
      const says = command === "O" ? optionsPacket(version, protocol) : answer(packet);
      if (says === null) return;
      for (let at = 0; says !== undefined && at < says.length;) {
        at += await conn.write(says.subarray(at));
      }
    }
  };
}

async function* packetsOf(conn: Deno.Conn): AsyncGenerator<HeardPacket> {
  const buffer = new Uint8Array(65_536);
  let pending: Buffer = Buffer.alloc(0);
  for (;;) {
    const octets = await conn.read(buffer);
    if (octets === null) return;
    pending = Buffer.concat([pending, buffer.subarray(0, octets)]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE()) {
      const end = 4 + pending.readUInt32BE();
      yield {
        command: String.fromCharCode(pending[4]),
        rest: Buffer.from(pending.subarray(5, end)),
      };
      pending = pending.subarray(end);
    }
  }
}
