/**
 * Opens delivery sessions: connects, and lets nodemailer's SMTPConnection do greeting, EHLO, STARTTLS and
 * AUTH (RFC 5321 §3.1, §4.1.1.1; RFC 3207; RFC 4954). What it hands on is a connection ready for MAIL.
 */
import { connect, isIP, type Socket } from "node:net";
import SMTPConnection from "nodemailer/lib/smtp-connection";
import type { Extensions } from "./node_smtp_session.ts";
import { type AttemptOutcome, deferred, outcomeOfReply } from "./outcome.ts";

export interface OpenRequest {
  readonly protocol: "smtp" | "lmtp";
  /** IP address; for LMTP also a name of this machine's, or the path of a unix socket. */
  readonly address: string;
  /** Of no meaning for a path. */
  readonly port: number;
  /** The host's name, for SNI and diagnostics. */
  readonly hostName: string;
  readonly security: Security;
  readonly credentials: { readonly user: string; readonly password: string } | null;
}

/** `opportunistic`: encrypted if the server offers it, whoever it is (RFC 7435). */
export type Security = "opportunistic" | "plain" | "implicit";

export interface OpenerOptions {
  /** What we call ourselves in EHLO. */
  readonly hostname: string;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
}

export type Opened =
  | {
    readonly kind: "open";
    readonly protocol: "smtp" | "lmtp";
    readonly socket: Socket;
    readonly extensions: Extensions;
    readonly isSecure: boolean;
  }
  /** `inTls`: it failed in the handshake, so that plain text might work. */
  | { readonly kind: "unusable"; readonly outcome: AttemptOutcome; readonly inTls: boolean };

/** The greeting may take its time (RFC 5321 §4.5.3.2.1 allows five minutes). */
const GREETING_TIMEOUT_MS = 60_000;
/** Greeting, EHLO, TLS and AUTH together, however many octets the server trickles meanwhile. */
const SETUP_PATIENCES = 3;

/** What is taken over from a connection whose session is set up; nodemailer keeps these to itself. */
interface Listeners {
  readonly _onSocketData: () => void;
  readonly _onSocketError: () => void;
  readonly _onSocketClose: () => void;
  readonly _onSocketEnd: () => void;
  readonly _onSocketTimeout: () => void;
}

/** What it learnt and does not tell. */
interface Knowledge {
  /** Lines of the EHLO reply that counts, without the code; none after HELO. */
  readonly _ehloLines?: readonly string[];
  readonly upgrading?: boolean;
}

export async function openSession(request: OpenRequest, options: OpenerOptions): Promise<Opened> {
  const socket = await connectTo(request, options.connectTimeoutMs);
  if (socket instanceof Error) {
    return { kind: "unusable", outcome: deferred("4.1", socket.message), inTls: false };
  }
  const patienceMs = Math.min(GREETING_TIMEOUT_MS, options.commandTimeoutMs);
  const connection = new SMTPConnection({
    connection: socket,
    host: request.address,
    port: request.port,
    // RFC 6066 §3: an address is no server name.
    servername: isIP(request.hostName) !== 0 || /^[[/]/.test(request.hostName)
      ? undefined
      : request.hostName,
    name: options.hostname,
    lmtp: request.protocol === "lmtp",
    secure: request.security === "implicit",
    ignoreTLS: request.security === "plain",
    opportunisticTLS: request.security === "opportunistic",
    // RFC 7435: without a policy that says otherwise any certificate beats clear text.
    tls: { rejectUnauthorized: false },
    connectionTimeout: 2 * patienceMs,
    greetingTimeout: patienceMs,
    socketTimeout: options.commandTimeoutMs,
    logger: false,
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const isLate = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error("the server takes too long to begin")),
        SETUP_PATIENCES * patienceMs,
      );
    });
    await Promise.race([setUp(connection, request), isLate]);
    return {
      kind: "open",
      protocol: request.protocol,
      socket: takeOver(connection),
      extensions: readExtensions((connection as Knowledge)._ehloLines ?? []),
      isSecure: connection.secure,
    };
  } catch (error) {
    const inTls = (connection as Knowledge).upgrading === true;
    connection.close();
    socket.destroy();
    return unusable(error, inTls);
  } finally {
    clearTimeout(timer);
  }
}

async function setUp(connection: SMTPConnection, request: OpenRequest): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    connection.on("error", reject);
    connection.connect((error) => error ? reject(error) : resolve());
  });
  const { credentials } = request;
  if (credentials === null) return;
  // Nobody listens in on the machine itself; elsewhere a password is not said in clear.
  if (!connection.secure && !isLoopback(request.address)) {
    throw new Error(`${request.hostName} offers no TLS, and the password is not sent without`);
  }
  await new Promise<void>((resolve, reject) =>
    connection.login(
      { user: credentials.user, pass: credentials.password },
      (error) => error ? reject(error) : resolve(),
    )
  );
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

function connectTo(request: OpenRequest, timeoutMs: number): Promise<Socket | Error> {
  return new Promise((resolve) => {
    const { address, port } = request;
    const isPath = address.startsWith("/");
    const at = isPath ? address : `${request.hostName} [${address}]:${port}`;
    const socket = connect(isPath ? { path: address } : { host: address, port });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(new Error(`cannot connect to ${at}: timed out`));
    }, timeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      socket.setNoDelay(true);
      resolve(socket);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      resolve(new Error(`cannot connect to ${at}: ${error.code ?? error.message}`));
    });
  });
}

function takeOver(connection: SMTPConnection): Socket {
  const socket = connection._socket as Socket;
  const listeners = connection as unknown as Listeners;
  socket.removeListener("data", listeners._onSocketData);
  socket.removeListener("error", listeners._onSocketError);
  socket.removeListener("close", listeners._onSocketClose);
  socket.removeListener("end", listeners._onSocketEnd);
  socket.removeListener("timeout", listeners._onSocketTimeout);
  socket.setTimeout(0);
  return socket;
}

function readExtensions(lines: readonly string[]): Extensions {
  const keywords = new Map<string, string>();
  for (const line of lines) {
    const [keyword, value] = line.split(/\s+/, 2);
    if (keyword) keywords.set(keyword.toUpperCase(), value ?? "");
  }
  // RFC 1870 §4: 0 and no number at all mean that no limit is known.
  const limit = Number(keywords.get("SIZE") ?? 0);
  return {
    pipelining: keywords.has("PIPELINING"),
    eightBitMime: keywords.has("8BITMIME"),
    smtpUtf8: keywords.has("SMTPUTF8"),
    size: keywords.has("SIZE"),
    maxOctets: limit > 0 ? limit : Infinity,
  };
}

function unusable(error: unknown, inTls: boolean): Opened {
  const { response, message } = error as { response?: string; message?: string };
  if (typeof response === "string" && response !== "") {
    // A refused greeting or EHLO speaks for this host, and not of the message: never final.
    const outcome = outcomeOfReply(response, "connect");
    return {
      kind: "unusable",
      inTls,
      outcome: deferred(outcome.enhancedStatus.slice(2), outcome.diagnostic),
    };
  }
  const detail = inTls ? "7.5" : "4.2";
  return { kind: "unusable", inTls, outcome: deferred(detail, message ?? String(error)) };
}
