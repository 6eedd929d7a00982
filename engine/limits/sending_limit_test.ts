import assert from "node:assert/strict";
import type { Account } from "../store/directory.ts";
import { memoryCounters } from "../store/memory_counters.ts";
import { sendingAnswer, sendingClaims } from "./sending_limit.ts";

const ann: Pick<Account, "user" | "messagesPerHour" | "messagesPerDay"> = {
  user: { domain: "example.org", localPart: "ann" },
  messagesPerHour: null,
  messagesPerDay: null,
};
const limits = { messagesPerHour: 10, messagesPerDay: 25 };
const HOUR_MS = 3_600_000;

Deno.test("sendingClaims: the hour ends a burst, the day ends a slow flood", async () => {
  let nowMs = 1_000 * 24 * HOUR_MS;
  const counters = memoryCounters({ now: () => nowMs });
  const send = async (recipients: number, account = ann) => {
    const claims = sendingClaims(account, { recipients, limits });
    return sendingAnswer(claims, await counters.take(claims));
  };
  assert.deepEqual(await send(10), { kind: "granted" });
  const refused = await send(1);
  assert.ok(refused.kind === "refused");
  assert.deepEqual([refused.limit, refused.per], [10, "hour"]);
  assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= 2 * HOUR_MS);
  // Others are not hindered, nor is a user who was given more.
  const bob = { ...ann, user: { ...ann.user, localPart: "bob" }, messagesPerHour: 100 };
  assert.deepEqual(await send(20, bob), { kind: "granted" });
  nowMs += 2 * HOUR_MS;
  assert.deepEqual(await send(10), { kind: "granted" });
  nowMs += 2 * HOUR_MS;
  const overDay = await send(6);
  assert.ok(overDay.kind === "refused");
  assert.deepEqual([overDay.limit, overDay.per], [25, "day"]);
  assert.deepEqual(await send(5), { kind: "granted" });
});

Deno.test("sendingAnswer: what is more than a limit itself is never granted, even while less is not", async () => {
  const counters = memoryCounters({ now: () => 0 });
  const send = async (recipients: number, account = ann) => {
    const claims = sendingClaims(account, { recipients, limits });
    return sendingAnswer(claims, await counters.take(claims));
  };
  assert.deepEqual(await send(11), { kind: "too_many", limit: 10, per: "hour" });
  assert.deepEqual(await send(10), { kind: "granted" });
  assert.deepEqual(await send(11), { kind: "too_many", limit: 10, per: "hour" });
  const fewADay = { ...ann, messagesPerDay: 5 };
  assert.deepEqual(await send(6, fewADay), { kind: "too_many", limit: 5, per: "day" });
  assert.equal((await send(5, fewADay)).kind, "refused");
});

Deno.test("sendingClaims: keys are short ASCII whatever the name", () => {
  const account = { ...ann, user: { domain: "bücher.example", localPart: "ü".repeat(200) } };
  for (const { key } of sendingClaims(account, { recipients: 1, limits })) {
    assert.match(key, /^[!-~]{1,64}$/);
  }
});
