import assert from "node:assert/strict";
import { type DeliveryId, type QueueId } from "../mail/queue_id.ts";
import type { LeasedDelivery } from "../store/spool.ts";
import { deferred, failed } from "./outcome.ts";
import { type FinishedAttempt, reportOf, settlementOf } from "./transmission_outcome.ts";

const HOUR_MS = 3_600_000;
const OPTIONS = {
  schedule: { firstDelayMs: 60_000, maxDelayMs: HOUR_MS, growth: 2, lifetimeMs: 120 * HOUR_MS },
  random: () => 0.5,
};
const MESSAGE = "01ARZ3NDEKTSV" as QueueId;

function delivery(fields: Partial<LeasedDelivery> = {}): LeasedDelivery {
  return {
    id: `${MESSAGE}.0` as DeliveryId,
    message: MESSAGE,
    forwardPath: "bob@there.test",
    transport: "smtp",
    destination: "there.test",
    attempts: 0,
    wasLeased: false,
    queuedAtMs: 0,
    reversePath: "ann@here.test",
    bodyType: "7bit",
    smtpUtf8: false,
    sizeOctets: 20,
    ...fields,
  };
}

function attempt(fields: Partial<FinishedAttempt>): FinishedAttempt {
  return {
    delivery: delivery(),
    outcome: deferred("4.2", "gone"),
    peer: { mxHost: "mx.there.test", address: "192.0.2.1", tls: true },
    startedAtMs: 1_000,
    endedAtMs: 2_000,
    ...fields,
  };
}

Deno.test("settlementOf: what was deferred comes again, later each time", () => {
  const first = settlementOf(attempt({}), OPTIONS);
  assert.ok(first.outcome === "deferred");
  assert.equal(first.nextAttemptAtMs, 62_000);
  assert.deepEqual(first.attempt, {
    startedAtMs: 1_000,
    endedAtMs: 2_000,
    mxHost: "mx.there.test",
    remoteAddress: "192.0.2.1",
    tls: true,
    diagnostic: "gone",
    enhancedStatus: "4.4.2",
  });
  const third = settlementOf(attempt({ delivery: delivery({ attempts: 2 }) }), OPTIONS);
  assert.ok(third.outcome === "deferred" && third.nextAttemptAtMs === 242_000);
});

Deno.test("settlementOf: deferred beyond its life is failed with 5.4.7 (RFC 3463 §3.5)", () => {
  const outcome = deferred("4.2", "😀".repeat(256));
  const settlement = settlementOf(attempt({ outcome, endedAtMs: 120 * HOUR_MS }), OPTIONS);
  assert.ok(settlement.outcome === "failed");
  assert.equal(settlement.attempt.enhancedStatus, "5.4.7");
  assert.match(settlement.attempt.diagnostic, /^given up after 5 days: /);
  assert.ok(settlement.attempt.diagnostic.length <= 512);
  // Half a character would make the database refuse the whole batch.
  assert.ok(settlement.attempt.diagnostic.isWellFormed());
});

const CONTEXT = {
  hostname: "mx.here.test",
  id: "01ARZ3NDEKTSW" as QueueId,
  nowMs: 3_000,
  boundary: "boundary",
  recipients: [{
    forwardPath: "ann@here.test",
    transport: "local" as const,
    destination: "here.test",
  }],
};
const ORIGINAL = new TextEncoder().encode("Subject: original\r\n\r\nbody\r\n");

function failure(fields: Partial<LeasedDelivery> = {}) {
  const finished = attempt({ delivery: delivery(fields), outcome: failed("1.1", "550 who?") });
  return { delivery: finished.delivery, settlement: settlementOf(finished, OPTIONS) };
}

Deno.test("reportOf: one report to the sender about all recipients who failed (RFC 3464)", () => {
  const failures = [failure(), failure({ forwardPath: "eve@there.test" })];
  const report = reportOf(failures, ORIGINAL, CONTEXT);
  assert.equal(report?.reversePath, "");
  assert.deepEqual(report?.recipients.map(({ forwardPath }) => forwardPath), ["ann@here.test"]);
  const text = new TextDecoder().decode(report?.octets);
  for (const part of ["rfc822; bob@there.test", "rfc822; eve@there.test", "Subject: original"]) {
    assert.ok(text.includes(part), part);
  }
});

Deno.test("reportOf: a delivery given up after its life is reported too", () => {
  const finished = attempt({ endedAtMs: 120 * HOUR_MS });
  const settlement = settlementOf(finished, OPTIONS);
  const report = reportOf([{ delivery: finished.delivery, settlement }], ORIGINAL, CONTEXT);
  assert.match(new TextDecoder().decode(report?.octets), /^Status: 5\.4\.7\r$/m);
});

Deno.test("reportOf: never to the null reverse-path, nor where nobody is (RFC 5321 §6.1)", () => {
  assert.equal(reportOf([failure({ reversePath: "" })], ORIGINAL, CONTEXT), null);
  assert.equal(reportOf([failure()], ORIGINAL, { ...CONTEXT, recipients: [] }), null);
  assert.equal(reportOf([], ORIGINAL, CONTEXT), null);
});
