/**
 * Load generator, closed loop: so many clients connect, upgrade by STARTTLS with a full handshake, and
 * leave, again and again. A program of its own, started with one JSON argument; prints one JSON line.
 */

import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface TlsOrder {
  readonly host: string;
  readonly port: number;
  readonly clients: number;
  readonly handshakes: number;
}

export interface TlsReport {
  readonly seconds: number;
  /** As the last handshake had it. */
  readonly protocol: string;
  readonly cipher: string;
}

/** Sends a line and waits for the last line of the reply. @throws on any reply but the wished one. */
function ask(socket: Socket, line: string, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const onData = (chunk: Buffer) => {
      text += chunk.toString("latin1");
      const last = /^(\d{3})(?: .*)?\r\n$/m.exec(text)?.[1];
      if (last === undefined || !text.endsWith("\r\n")) return;
      socket.off("data", onData);
      if (last === wanted) resolve();
      else reject(new Error(`wished for ${wanted}, got ${text}`));
    };
    socket.on("data", onData);
    socket.once("error", reject);
    if (line !== "") socket.write(line);
  });
}

async function shakeHands({ host, port }: TlsOrder): Promise<{ protocol: string; cipher: string }> {
  const plain = connect({ host, port, noDelay: true });
  await ask(plain, "", "220");
  await ask(plain, "EHLO load.bench.test\r\n", "250");
  await ask(plain, "STARTTLS\r\n", "220");
  plain.removeAllListeners();
  plain.on("error", () => {});
  const secure = connectTls({ socket: plain, rejectUnauthorized: false });
  await new Promise<void>((resolve, reject) => {
    secure.once("error", reject);
    secure.once("secureConnect", () => resolve());
  });
  const facts = { protocol: String(secure.getProtocol()), cipher: secure.getCipher().name };
  const closed = new Promise<void>((resolve) => secure.once("close", () => resolve()));
  await ask(secure, "QUIT\r\n", "221");
  secure.destroy();
  await closed;
  return facts;
}

async function flood(order: TlsOrder): Promise<TlsReport> {
  const startedAtMs = performance.now();
  let left = order.handshakes;
  let facts = { protocol: "", cipher: "" };
  const client = async () => {
    while (left-- > 0) facts = await shakeHands(order);
  };
  await Promise.all(Array.from({ length: order.clients }, client));
  return { seconds: (performance.now() - startedAtMs) / 1000, ...facts };
}

if (import.meta.main) {
  console.log(JSON.stringify(await flood(JSON.parse(Deno.args[0]))));
  Deno.exit(0);
}
