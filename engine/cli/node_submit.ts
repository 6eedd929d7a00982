/** Hands a test message to the running server by nodemailer, as a mail program does. */
import { createTransport } from "nodemailer";
import type { Submission, SubmissionOutcome } from "./send.ts";

const TIMEOUT_MS = 30_000;

/** What nodemailer tells of a message the server took. */
interface SentInfo {
  readonly response: string;
  readonly rejectedErrors?: readonly { readonly recipient?: string; readonly response?: string }[];
}

export async function submit(submission: Submission): Promise<SubmissionOutcome> {
  const { message, address, port, hostname, credentials } = submission;
  const transport = createTransport({
    host: address,
    port,
    name: hostname,
    secure: false,
    requireTLS: credentials !== null,
    ...(credentials === null
      ? {}
      : { auth: { user: credentials.user, pass: credentials.password } }),
    tls: {
      servername: hostname,
      // On loopback nobody but this machine's own server can answer, and the certificate that server
      // makes for itself is signed by no one. Elsewhere a password goes to a trusted one only; without
      // a password TLS is opportunistic, as between servers (RFC 7435).
      rejectUnauthorized: credentials !== null && !isLoopback(address),
    },
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    // What a message names must not make this process read a file or fetch an address.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const info = await transport.sendMail({
      envelope: { from: message.reversePath, to: [...message.forwardPaths] },
      from: message.reversePath,
      to: [...message.forwardPaths],
      subject: message.subject,
      text: message.body,
    }) as SentInfo;
    return {
      kind: "taken",
      reply: info.response,
      refused: (info.rejectedErrors ?? []).map(({ recipient, response }) => ({
        forwardPath: recipient ?? "",
        reply: response ?? "",
      })),
    };
  } catch (error) {
    return { kind: "refused", reply: reasonOf(error) };
  } finally {
    transport.close();
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** The server's own words where there are any. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { response, code } = error as Error & { response?: string; code?: string };
  if (response !== undefined) return response;
  return code === "ECONNREFUSED" || code === "ESOCKET" && /ECONNREFUSED/.test(error.message)
    ? "nobody listens there; is the server running?"
    : error.message;
}
