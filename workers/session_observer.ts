/** What sessions tell, as metrics and log lines. */
import { namesUser } from "../engine/login/authenticator.ts";
import type { MemoryBudget } from "../engine/smtp/memory_budget.ts";
import type { ListenerName, SessionObserver } from "../engine/smtp/session.ts";
import { logAuth, logMessage } from "../engine/telemetry/events.ts";
import { logOf } from "../engine/telemetry/log.ts";
import { nameTag } from "../engine/telemetry/mask.ts";
import type { Metrics } from "../engine/telemetry/metrics.ts";

/** @param options `nameKey`: under which names that are nobody's are logged, the same in all workers. */
export function sessionObserver(
  metrics: Metrics,
  options: { readonly memory: MemoryBudget; readonly nameKey: Uint8Array },
): SessionObserver {
  const { memory, nameKey } = options;
  const log = logOf("session");
  const opened = byListener((listener) => metrics.connections.of({ listener }));
  const open = byListener((listener) => metrics.connectionsOpen.of({ listener }));
  const data = metrics.stageSeconds.of({ stage: "data" });
  const commit = metrics.stageSeconds.of({ stage: "commit" });
  const inbound = metrics.messagesAccepted.of({ by: "inbound" });
  const relayed = metrics.messagesAccepted.of({ by: "relay" });
  const fromUsers = metrics.messagesAccepted.of({ by: "user" });
  return {
    opened(listener) {
      opened[listener].inc();
      open[listener].inc();
    },
    closed({ listener, protocol, tls }) {
      open[listener].dec();
      metrics.sessions.of({ protocol, tls }).inc();
      metrics.octetsInFlight.set(memory.usedOctets);
    },
    login(result, { sessionId, clientAddress: clientIp, method, name }) {
      const user = namesUser(result) ? name : nameTag(name, nameKey);
      const event = { sessionId, clientIp, method, user };
      metrics.logins.of({ method, result: result.kind }).inc();
      switch (result.kind) {
        case "granted":
          return logAuth.succeeded(event);
        case "refused":
          return logAuth.failed({ ...event, reason: result.reason });
        case "locked_out":
          return logAuth.lockedOut({
            ...event,
            scope: result.scope,
            retryAfterMs: result.retryAfterMs,
          });
        case "unavailable":
          return log.warning("AUTH {method} from {client_ip}: {reason}", {
            client_ip: clientIp,
            method,
            reason: result.reason ?? "fault",
          });
      }
    },
    refused(reason) {
      metrics.messagesRefused.of({ reason }).inc();
    },
    accepted(message, { sessionId, user, sizeOctets, dataMs, commitMs }) {
      data.observe(dataMs / 1000);
      commit.observe(commitMs / 1000);
      const isRelayed = message.recipients.some(({ transport }) => transport === "smtp");
      (user !== null ? fromUsers : isRelayed ? relayed : inbound).inc();
      metrics.recipientsAccepted.inc(message.recipients.length);
      metrics.octetsReceived.inc(sizeOctets);
      metrics.octetsInFlight.set(memory.usedOctets);
      logMessage.accepted({
        sessionId,
        clientIp: message.clientAddress,
        queueId: message.id,
        reversePath: message.reversePath,
        recipients: message.recipients.length,
        sizeOctets,
        protocol: message.protocol,
        ...(user === null ? {} : { user }),
        durationMs: commitMs,
      });
    },
    failed(context, error) {
      log.error("{context}: {error}", { context, error: String(error) });
    },
  };
}

function byListener<T>(make: (listener: ListenerName) => T): Record<ListenerName, T> {
  return { smtp: make("smtp"), submission: make("submission"), smtps: make("smtps") };
}
