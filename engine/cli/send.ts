/** `send`: a test message, the way a mail program would hand it in. */
import { formatMailbox, parseMailbox } from "../mail/path.ts";
import {
  type CliSettings,
  type Command,
  type CommandInput,
  optionOf,
  UsageError,
} from "./command.ts";
import { PROGRAM } from "./help.ts";

export interface TestMessage {
  /** The reverse-path and each forward-path, without angle brackets. */
  readonly reversePath: string;
  readonly forwardPaths: readonly string[];
  readonly subject: string;
  readonly body: string;
}

/** Where and how to hand it in. */
export interface Submission {
  readonly message: TestMessage;
  /** IP address. */
  readonly address: string;
  readonly port: number;
  /** What to call ourselves, and whose certificate to expect. */
  readonly hostname: string;
  /** With credentials TLS is asked for, without it is taken where offered. */
  readonly credentials: { readonly user: string; readonly password: string } | null;
}

export type SubmissionOutcome =
  | {
    readonly kind: "taken";
    /** The server's last line. */
    readonly reply: string;
    readonly refused: readonly { readonly forwardPath: string; readonly reply: string }[];
  }
  /** `reply`: the server's words, or why it did not come to any. */
  | { readonly kind: "refused"; readonly reply: string };

export type Submit = (submission: Submission) => Promise<SubmissionOutcome>;

const QUEUE_ID = /\b[0-7][0-9A-HJKMNP-TV-Z]{12}\b/;
const MAX_TEXT_LENGTH = 100_000;

export function sendCommands(submit: Submit): readonly Command[] {
  return [{
    noun: "send",
    verb: "",
    usage: "--from <address> --to <address>[,<address>…] [--subject <text>] [--body <text>] " +
      "[--user <address> --password -|<password>]",
    summary: "Send a test message through the running server; with a user, by submission.",
    example: "send --from ann@example.org --to bob@example.net --user ann@example.org --password -",
    needs: "settings",
    options: {
      from: { type: "string" },
      to: { type: "string" },
      subject: { type: "string" },
      body: { type: "string" },
      user: { type: "string" },
      password: { type: "string", mayBeStdin: true },
    },
    prepare: (input) => {
      if (input.positionals.length > 0) {
        throw new UsageError(`too many words: ${input.positionals.join(" ")}`);
      }
      const message = messageOf(input);
      const credentials = credentialsOf(input);
      return async (settings) => {
        const { hostname, listenAddresses, ports } = settings();
        const listener = credentials === null ? "smtp" : "submission";
        const port = ports[listener];
        if (port === 0) return { kind: "failed", message: `the ${listener} port is turned off` };
        const address = reachable(listenAddresses);
        const outcome = await submit({ message, address, port, hostname, credentials });
        if (outcome.kind === "refused") {
          return { kind: "failed", message: `not sent by ${address}:${port}: ${outcome.reply}` };
        }
        const queueId = QUEUE_ID.exec(outcome.reply)?.[0] ?? null;
        const lines = [
          `${address}:${port} says: ${outcome.reply}`,
          ...outcome.refused.map(({ forwardPath, reply }) => `  but of ${forwardPath}: ${reply}`),
        ];
        if (queueId !== null) lines.push(`what becomes of it: ${PROGRAM} trace ${queueId}`);
        const { reply, refused } = outcome;
        return {
          kind: refused.length > 0 ? "faults" : "done",
          text: lines.join("\n"),
          json: { reply, queueId, refused },
        };
      };
    },
  }];
}

/** An address of the server that this machine can connect to. */
export function reachable(listenAddresses: CliSettings["listenAddresses"]): string {
  const [address] = listenAddresses;
  // What stands for all addresses is none itself.
  if (address === "0.0.0.0") return "127.0.0.1";
  return address === "::" ? "::1" : address;
}

/** @throws {UsageError} */
function messageOf(input: CommandInput): TestMessage {
  const from = optionOf(input, "from");
  const to = optionOf(input, "to");
  if (from === null) throw new UsageError("the sender is missing: --from <address>");
  if (to === null) throw new UsageError("the recipient is missing: --to <address>");
  const subject = optionOf(input, "subject") ?? "A test message from Sluice";
  const body = optionOf(input, "body") ??
    "This is a test message. If you can read it, delivery works.\n";
  if (subject.length > 900 || /\p{Cc}/u.test(subject)) {
    throw new UsageError("--subject takes one line of at most 900 characters");
  }
  if (body.length > MAX_TEXT_LENGTH) {
    throw new UsageError(`--body takes at most ${MAX_TEXT_LENGTH} characters`);
  }
  return {
    reversePath: pathOf(from),
    forwardPaths: to.split(",").map((address) => pathOf(address.trim())),
    subject,
    body,
  };
}

/** @throws {UsageError} */
function pathOf(text: string): string {
  const mailbox = parseMailbox(text);
  if (typeof mailbox === "string") throw new UsageError(`not a mail address: ${text}`);
  return formatMailbox(mailbox.localPart, mailbox.domain);
}

/** @throws {UsageError} */
function credentialsOf(input: CommandInput): Submission["credentials"] {
  const user = optionOf(input, "user");
  const password = optionOf(input, "password");
  if (user === null && password === null) return null;
  if (user === null) throw new UsageError("the user is missing: --user <address>");
  if (password === null) {
    throw new UsageError("the password is missing: --password - reads it from standard input");
  }
  return { user, password };
}
