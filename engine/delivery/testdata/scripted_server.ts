/** A TCP server on loopback that does with each connection what a test tells it to. */
import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

export type Script = (peer: ScriptedPeer, connection: number) => Promise<void> | void;

export class ScriptedServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #scripts: Promise<void>[] = [];
  readonly peers: ScriptedPeer[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(
    script: Script,
    { host = "127.0.0.1", port = 0 } = {},
  ): Promise<ScriptedServer> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const scripted = new ScriptedServer(server);
    server.on("connection", (socket) => {
      const peer = new ScriptedPeer(socket);
      scripted.#scripts.push((async () => await script(peer, scripted.peers.push(peer) - 1))());
    });
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    return scripted;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Rejects with what a script threw. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const peer of this.peers) peer.destroy();
    await closed;
    await Promise.all(this.#scripts);
  }
}

/** The server's end of a connection. */
export class ScriptedPeer {
  readonly #socket: Socket;
  #unread = "";
  #waiters: (() => void)[] = [];
  hasEnded = false;
  isClosed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    const wake = () => this.#waiters.splice(0).forEach((resolve) => resolve());
    socket.on("data", (chunk: Buffer) => {
      this.#unread += chunk.toString("latin1");
      wake();
    });
    socket.on("end", () => {
      this.hasEnded = true;
      wake();
    });
    socket.on("close", () => {
      this.hasEnded = this.isClosed = true;
      wake();
    });
    socket.on("error", wake);
  }

  /** Up to and without `end`; `null` once the client has nothing more to say. */
  async readTo(end: string): Promise<string | null> {
    while (true) {
      const at = this.#unread.indexOf(end);
      if (at >= 0) {
        const text = this.#unread.slice(0, at);
        this.#unread = this.#unread.slice(at + end.length);
        return text;
      }
      if (this.hasEnded) return null;
      await this.#change();
    }
  }

  line(): Promise<string | null> {
    return this.readTo("\r\n");
  }

  /** A message as it was before dots were stuffed. */
  async message(): Promise<string | null> {
    this.#unread = `\r\n${this.#unread}`;
    const text = await this.readTo("\r\n.\r\n");
    return text === null ? null : `${text}\r\n`.slice(2).replace(/^\.\./gm, ".");
  }

  /** Resolves once it left for the operating system. */
  send(text: string): Promise<void> {
    return new Promise((resolve) => this.#socket.write(Buffer.from(text), () => resolve()));
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

export interface SmtpScript {
  /**
   * The reply to a command, or to a message (`.`), without line end; `null` to say nothing, `undefined`
   * for what a server in order says.
   */
  readonly answer?: (command: string) => string | null | undefined;
  /** How replies go out. */
  readonly send?: (peer: ScriptedPeer, reply: string) => Promise<void>;
  /** Called with everything that was answered, after it was; false ends the script. */
  readonly after?: (peer: ScriptedPeer, command: string) => boolean;
  /** What EHLO is answered with, after a greeting; `null` where both are past. */
  readonly extensions?: readonly string[] | null;
}

/** Plays a server; answers the messages it took and all commands it got. */
export function smtpScript(script: SmtpScript = {}): {
  readonly run: Script;
  readonly messages: string[];
  readonly commands: string[];
} {
  const { answer = () => undefined, after = () => true, extensions = null } = script;
  const { send = (peer, reply) => peer.send(reply) } = script;
  const messages: string[] = [];
  const commands: string[] = [];
  const run = async (peer: ScriptedPeer) => {
    const orderly = orderlyServer(extensions ?? []);
    const reply = async (command: string) => {
      const given = answer(command);
      const text = orderly(command, given);
      if (text !== null) await send(peer, `${text}\r\n`);
      return { text, goesOn: after(peer, command) };
    };
    if (extensions !== null) await peer.send("220 test ESMTP\r\n");
    for (let line = await peer.line(); line !== null; line = await peer.line()) {
      commands.push(line);
      const { text, goesOn } = await reply(line);
      if (!goesOn) return;
      if (line === "QUIT") return peer.end();
      if (line !== "DATA" || !text?.startsWith("354")) continue;
      const message = await peer.message();
      if (message === null) return;
      messages.push(message);
      if (!(await reply(".")).goesOn) return;
    }
    peer.end();
  };
  return { run, messages, commands };
}

/** Replies in order (RFC 5321 §4.1.4), given those the test wants instead. */
function orderlyServer(
  extensions: readonly string[],
): (command: string, given: string | null | undefined) => string | null {
  let hasMail = false;
  let recipients = 0;
  return (command, given) => {
    const [verb] = command.split(" ");
    const said = given === undefined ? inOrder(verb, { hasMail, recipients, extensions }) : given;
    const isGood = said?.startsWith("2") ?? false;
    if (verb === "MAIL" && isGood) hasMail = true;
    if (verb === "RCPT" && isGood) recipients++;
    if ([".", "RSET", "EHLO", "HELO"].includes(verb)) {
      hasMail = false;
      recipients = 0;
    }
    return said;
  };
}

function inOrder(
  verb: string,
  state: { hasMail: boolean; recipients: number; extensions: readonly string[] },
): string {
  switch (verb) {
    case "EHLO":
      return ["test", ...state.extensions].map((line, i) =>
        `250${i < state.extensions.length ? "-" : " "}${line}`
      ).join("\r\n");
    case "MAIL":
      return state.hasMail ? "503 5.5.1 nested MAIL" : "250 2.1.0 fine";
    case "RCPT":
      return state.hasMail ? "250 2.1.5 fine" : "503 5.5.1 MAIL first";
    case "DATA":
      return state.recipients > 0 ? "354 go on" : "503 5.5.1 RCPT first";
    case "QUIT":
      return "221 2.0.0 bye";
    default:
      return "250 2.0.0 fine";
  }
}
