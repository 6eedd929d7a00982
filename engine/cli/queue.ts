/** `queue list` and `trace <id>` */
import { parseQueueId, type QueueId } from "../mail/queue_id.ts";
import type { QueuedDelivery, Trace, TracedHold } from "../store/history.ts";
import { type Command, onlyWord, UsageError } from "./command.ts";
import { PROGRAM } from "./help.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;

export const queueCommands: readonly Command[] = [
  {
    noun: "queue",
    verb: "list",
    usage: "[--limit <n>]",
    summary: "Show what is still to be delivered, the oldest first.",
    example: "queue list --limit 20",
    options: { limit: { type: "string" } },
    prepare: (input) => {
      if (input.positionals.length > 0) throw new UsageError("queue list takes no words");
      const limit = limitOf(input.options.limit);
      return async ({ history }) => {
        const deliveries = await history.queue({ limit });
        const lines = deliveries.length === 0 ? ["The queue is empty."] : deliveries.map(queueLine);
        const held = await history.held();
        if (held > 0) lines.push(`held in quarantine: ${held}   (${PROGRAM} quarantine list)`);
        return {
          kind: "done",
          text: lines.join("\n"),
          json: deliveries,
        };
      };
    },
  },
  {
    noun: "trace",
    verb: "",
    usage: "<id>",
    summary: "Show what became of a message, by the id its 250 and the log gave it.",
    example: "trace 0AM8E2Q1M0200",
    prepare: (input) => {
      const id = queueIdOf(onlyWord(input, "the queue id"));
      return async ({ history }) => {
        const trace = await history.trace(id);
        return trace === null
          ? { kind: "failed", message: `no such message: ${id}` }
          : { kind: "done", text: traceText(trace), json: trace };
      };
    },
  },
];

/** @throws {UsageError} */
export function limitOf(text: string | true | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new UsageError(`--limit takes a number from 1 to ${MAX_LIMIT}`);
  }
  return limit;
}

/** Also takes a delivery's id, which has the recipient's number behind a dot. @throws {UsageError} */
export function queueIdOf(text: string): QueueId {
  const id = parseQueueId(text.replace(/\.[0-9]+$/, ""));
  if (id === null) throw new UsageError(`not a queue id: ${text}`);
  return id;
}

function queueLine(delivery: QueuedDelivery): string {
  const { id, state, attempts, diagnostic } = delivery;
  const line = `${id}  ${time(delivery.acceptedAtMs)}  ${state}  ` +
    `<${delivery.reversePath}> -> <${delivery.forwardPath}>  ${delivery.sizeOctets} octets`;
  if (attempts === 0) return line;
  const next = state === "deferred" ? `, next ${time(delivery.nextAttemptAtMs)}` : "";
  return `${line}\n    ${attempts} attempts${next}: ${diagnostic ?? ""}`;
}

function traceText(trace: Trace): string {
  const lines = [
    `${trace.id}  ${time(trace.acceptedAtMs)}  accepted from <${trace.reversePath}>, ` +
    `${trace.sizeOctets} octets by ${trace.protocol} ` +
    `from ${trace.clientAddress} (${trace.heloName})`,
  ];
  if (trace.hold !== null) lines.push(holdLine(trace.hold));
  for (const { forwardPath, state, attempts, nextAttemptAtMs } of trace.deliveries) {
    const next = state === "deferred" && nextAttemptAtMs !== null
      ? `, next attempt ${time(nextAttemptAtMs)}`
      : "";
    lines.push(`  <${forwardPath}>  ${state}${next}`);
    for (const attempt of attempts) {
      const host = attempt.mxHost === null
        ? ""
        : ` at ${attempt.mxHost} [${attempt.remoteAddress}]`;
      lines.push(
        `    ${time(attempt.endedAtMs)}  ${attempt.outcome}${host}${attempt.tls ? " TLS" : ""}: ` +
          `${attempt.enhancedStatus} ${attempt.diagnostic}`,
      );
    }
  }
  return lines.join("\n");
}

function holdLine({ reason, explanation, untilMs, decision, decidedAtMs }: TracedHold): string {
  const became = decision === null || decidedAtMs === null
    ? `until ${time(untilMs)}`
    : `${decision} ${time(decidedAtMs)}`;
  return `  held in quarantine, ${became}: ${reason}: ${explanation}`;
}

function time(atMs: number): string {
  return new Date(atMs).toISOString();
}
