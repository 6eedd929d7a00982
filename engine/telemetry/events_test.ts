import assert from "node:assert/strict";
import type { QueueId } from "../mail/queue_id.ts";
import { logAuth, logMessage, logSpam } from "./events.ts";
import { configureLog } from "./log.ts";

const SESSION = { sessionId: "s1", clientIp: "203.0.113.9" };
const ATTEMPT = {
  queueId: "0123456789ABC" as QueueId,
  forwardPath: "ann@example.org",
  mxHost: "mx.example.org",
  status: "2.0.0",
  reply: "250 ok",
  attempts: 1,
  delayMs: 12,
};

/** What `emit` logs at a level, parsed. */
function logged(emit: () => void, level: "info" | "warning" | "error" = "info") {
  let text = "";
  const write = (chunk: Uint8Array) => {
    text += new TextDecoder().decode(chunk);
    return chunk.length;
  };
  {
    using _log = configureLog({ level, format: "json", write });
    emit();
  }
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

Deno.test("logMessage: a queue id follows a message from acceptance to its end", () => {
  const lines = logged(() => {
    logMessage.accepted({
      ...SESSION,
      queueId: ATTEMPT.queueId,
      reversePath: "",
      recipients: 1,
      sizeOctets: 2000,
      protocol: "ESMTPS",
    });
    logMessage.deferred({ ...ATTEMPT, status: "4.4.1", nextAttemptAtMs: 0 });
    logMessage.delivered(ATTEMPT);
    logMessage.failed({ ...ATTEMPT, status: "5.1.1" });
  });
  assert.deepEqual(lines.map((line) => [line.event, line.msg]), [
    ["accepted", "message 0123456789ABC from <> accepted"],
    ["deferred", "delivery 0123456789ABC to ann@example.org deferred"],
    ["delivered", "delivery 0123456789ABC to ann@example.org delivered"],
    ["failed", "delivery 0123456789ABC to ann@example.org failed"],
  ]);
  for (const line of lines) assert.equal(line.queue_id, "0123456789ABC");
  assert.equal(lines[1].next_attempt_at, "1970-01-01T00:00:00.000Z");
  assert.deepEqual(
    [lines[2].rcpt, lines[2].mx, lines[2].status, lines[2].reply, lines[2].delay_ms],
    ["ann@example.org", "mx.example.org", "2.0.0", "250 ok", 12],
  );
});

Deno.test("logMessage: at level warning only failures are told", () => {
  const lines = logged(() => {
    logMessage.delivered(ATTEMPT);
    logMessage.deferred({ ...ATTEMPT, nextAttemptAtMs: 0 });
    logMessage.failed(ATTEMPT);
    logAuth.succeeded({ ...SESSION, method: "PLAIN", user: "ann" });
  }, "warning");
  assert.deepEqual(lines.map((line) => line.event), ["failed"]);
});

Deno.test("logAuth: a user's name cannot pass for another address", () => {
  const user = "ann from 198.51.100.1 as bob failed";
  const [line] = logged(() => {
    logAuth.failed({ ...SESSION, method: "PLAIN", user, reason: "wrong password" });
  }, "warning");
  assert.equal(line.msg.match(/AUTH \S+ from (\S+) as .* failed$/)?.[1], "203.0.113.9");
  assert.equal(line.client_ip, "203.0.113.9");
  assert.equal(line.reason, "wrong password");
});

Deno.test("logAuth: a lockout is told as a failure that was not weighed", () => {
  const event = { ...SESSION, method: "LOGIN", user: "ann", scope: "address" as const };
  const [line, ...more] = logged(() => {
    logAuth.lockedOut({ ...event, retryAfterMs: 1_500 });
  }, "warning");
  assert.equal(line.event, "auth_locked_out");
  assert.equal(line.msg, "AUTH LOGIN from 203.0.113.9 as ann failed: locked out");
  assert.deepEqual([line.scope, line.retry_after_ms, line.client_ip], [
    "address",
    1_500,
    "203.0.113.9",
  ]);
  assert.deepEqual(more, []);
  assert.deepEqual(logged(() => logAuth.lockedOut({ ...event, retryAfterMs: 1 }), "error"), []);
});

Deno.test("logAuth: a lockout of a name is no failure of who tries it", () => {
  const [line] = logged(() => {
    logAuth.lockedOut({ ...SESSION, method: "PLAIN", user: "ann", scope: "user", retryAfterMs: 1 });
  }, "warning");
  assert.equal(line.event, "auth_user_locked_out");
  assert.equal(line.msg, "AUTH PLAIN not tried from 203.0.113.9: ann is locked out");
});

Deno.test("logSpam: says who was rejected and why", () => {
  const [line] = logged(() => {
    logSpam.rejected({ ...SESSION, reversePath: "x@example.net", score: 7.5, rules: ["A", "B"] });
  });
  assert.match(line.msg, /^spam .* rejected$/);
  assert.deepEqual([line.score, line.rules, line.sender], [7.5, ["A", "B"], "x@example.net"]);
});
