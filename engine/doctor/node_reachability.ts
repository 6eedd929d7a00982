/** A probe over sockets: greeting, EHLO, STARTTLS or TLS at once, and the certificate that is shown. */
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { certificateNames, covers } from "../crypto/certificate_pair.ts";
import type { PresentedCertificate, ProbeOutcome, ProbeRequest } from "./reachability.ts";

const MAX_REPLY_CHARACTERS = 8_192;
const MAX_NAMES = 20;

export async function probeListener(request: ProbeRequest): Promise<ProbeOutcome> {
  const sockets: Socket[] = [];
  const { promise: late, resolve } = Promise.withResolvers<ProbeOutcome>();
  const timer = setTimeout(() => resolve({ kind: "silent" }), request.timeoutMs);
  try {
    return await Promise.race([late, probe(request, sockets).catch(outcomeOf)]);
  } finally {
    clearTimeout(timer);
    for (const socket of sockets) socket.destroy();
  }
}

/** What the other side said or did that no mail server says or does. */
class OddError extends Error {}

function outcomeOf(error: unknown): ProbeOutcome {
  if (error instanceof OddError) return { kind: "odd", reason: error.message };
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ECONNREFUSED") return { kind: "refused" };
  if (["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"].includes(code)) return { kind: "silent" };
  return { kind: "odd", reason: `breaks the connection (${code === "" ? "no code" : code})` };
}

async function probe(request: ProbeRequest, sockets: Socket[]): Promise<ProbeOutcome> {
  const socket = connectTcp(request.port, request.host);
  sockets.push(socket);
  // Whatever is waited for hears of it too; afterwards it is of no interest.
  socket.on("error", () => {});
  await until(socket, "connect");
  if (request.tls === "implicit") {
    const secured = await handshake(socket, request, sockets);
    if (secured === null) return { kind: "answered", offersStartTls: false, certificate: null };
    const reader = new ReplyReader(secured.socket);
    await greet(reader, secured.socket);
    return { kind: "answered", offersStartTls: false, certificate: secured.certificate };
  }
  const reader = new ReplyReader(socket);
  const offersStartTls = await greet(reader, socket);
  if (!offersStartTls) return { kind: "answered", offersStartTls, certificate: null };
  socket.write("STARTTLS\r\n");
  await reader.expect("220", "STARTTLS");
  reader.stop();
  const secured = await handshake(socket, request, sockets);
  return { kind: "answered", offersStartTls, certificate: secured?.certificate ?? null };
}

/** Answers whether STARTTLS is offered. */
async function greet(reader: ReplyReader, socket: Socket): Promise<boolean> {
  await reader.expect("220", "a connection");
  socket.write("EHLO localhost\r\n");
  const offer = await reader.expect("250", "EHLO");
  return /^250[ -]STARTTLS\s*$/im.test(offer);
}

/** `null` when the handshake fails. */
async function handshake(
  socket: Socket,
  { serverName }: ProbeRequest,
  sockets: Socket[],
): Promise<{ readonly socket: Socket; readonly certificate: PresentedCertificate } | null> {
  // What is wrong with the certificate is for the reader to hear, not for the handshake to refuse.
  const secured = connectTls({ socket, servername: serverName, rejectUnauthorized: false });
  sockets.push(secured);
  secured.on("error", () => {});
  try {
    await until(secured, "secureConnect");
  } catch {
    return null;
  }
  const raw = secured.getPeerCertificate().raw;
  return raw === undefined
    ? null
    : { socket: secured, certificate: readCertificate(new X509Certificate(raw), serverName) };
}

function readCertificate(certificate: X509Certificate, serverName: string): PresentedCertificate {
  const names = certificateNames(certificate);
  const wanted = serverName.toLowerCase();
  return {
    coversName: names.some((name) => covers(name, wanted)),
    names: names.slice(0, MAX_NAMES),
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
    isSelfSigned: certificate.issuer === certificate.subject,
  };
}

function until(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new OddError("closes the connection at once")));
  });
}

/** Whole replies (RFC 5321 §4.2.1), one after the other. */
class ReplyReader {
  #text = "";
  #isClosed = false;
  #wake = () => {};
  readonly #socket: Socket;
  readonly #onData = (chunk: Uint8Array) => {
    // A flood is cut off; `expect` finds it too long.
    if (this.#text.length <= MAX_REPLY_CHARACTERS) {
      this.#text += Buffer.from(chunk).toString("latin1");
    }
    this.#wake();
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#onData);
    socket.once("close", () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  stop(): void {
    this.#socket.off("data", this.#onData);
    this.#socket.pause();
  }

  /** The next reply, which must bear the code. @throws {OddError} */
  async expect(code: string, to: string): Promise<string> {
    for (;;) {
      const last = /^\d{3}(?: .*)?\r?\n/m.exec(this.#text);
      if (last !== null) {
        const end = last.index + last[0].length;
        const reply = this.#text.slice(0, end);
        this.#text = this.#text.slice(end);
        if (reply.startsWith(code)) return reply;
        throw new OddError(`answers ${reply.slice(0, 3)} to ${to}`);
      }
      if (this.#text.length > MAX_REPLY_CHARACTERS) {
        throw new OddError(`answers to ${to} without end`);
      }
      if (this.#isClosed) throw new OddError(`hangs up instead of answering ${to}`);
      if (this.#text.length >= 4 && !/^\d{3}[ -]/.test(this.#text)) {
        throw new OddError("does not speak SMTP");
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
