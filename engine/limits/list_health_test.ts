import assert from "node:assert/strict";
import { ListHealth, type ListOutcome, type ListTrouble } from "./list_health.ts";

const HOUR_MS = 3_600_000;

function startHealth() {
  const clock = { nowMs: 0 };
  const troubles: ListTrouble[] = [];
  const outcomes: string[] = [];
  const health = new ListHealth({
    lists: [{ zone: "bl.example", entries: [] }, { zone: "wl.example", entries: [] }],
    now: () => clock.nowMs,
    onTrouble: (trouble) => troubles.push(trouble),
    onOutcome: (zone, outcome) => outcomes.push(`${zone} ${outcome}`),
  });
  const record = (outcome: ListOutcome, value = "") =>
    health.record("bl.example", [{ outcome, value }]);
  return { clock, troubles, outcomes, health, record };
}

Deno.test("ListHealth: a list that is silent five times in a row rests, and no other one", () => {
  const { clock, troubles, health, record } = startHealth();
  for (let times = 1; times <= 5; times++) {
    assert.equal(health.isDue("bl.example"), true);
    record(times % 2 === 0 ? "failed" : "unanswered");
  }
  assert.equal(health.isDue("bl.example"), false);
  assert.equal(health.isDue("wl.example"), true);
  assert.deepEqual(troubles, [{ zone: "bl.example", kind: "resting", value: "" }]);
  clock.nowMs = 59_999;
  assert.equal(health.isDue("bl.example"), false);
});

Deno.test("ListHealth: after its rest one question tries a list; an answer ends the rest", () => {
  const { clock, health, record, troubles } = startHealth();
  for (let times = 1; times <= 5; times++) record("unanswered");
  clock.nowMs = 60_000;
  assert.deepEqual([health.isDue("bl.example"), health.isDue("bl.example")], [true, false]);
  record("unanswered");
  clock.nowMs = 119_999;
  assert.equal(health.isDue("bl.example"), false);
  clock.nowMs = 120_000;
  assert.equal(health.isDue("bl.example"), true);
  record("unlisted");
  assert.deepEqual([health.isDue("bl.example"), health.isDue("bl.example")], [true, true]);
  assert.equal(troubles.length, 1, "said once an hour");
});

Deno.test("ListHealth: one answer among a look-up's questions, or in between, keeps a list awake", () => {
  const { health, record } = startHealth();
  const silent = { outcome: "unanswered", value: "" } as const;
  for (let times = 1; times <= 4; times++) record("unanswered");
  health.record("bl.example", [silent, { outcome: "listed", value: "" }, silent]);
  for (let times = 1; times <= 4; times++) record("unanswered");
  assert.equal(health.isDue("bl.example"), true);
  // Many questions of one look-up are one silence, and what was never asked is none.
  record("unlisted");
  health.record("bl.example", new Array(20).fill(silent));
  for (let times = 1; times <= 20; times++) record("skipped");
  assert.equal(health.isDue("bl.example"), true);
});

Deno.test("ListHealth: every question is counted, trouble is told once an hour", () => {
  const { clock, troubles, outcomes, record } = startHealth();
  record("denied", "127.255.255.254");
  record("denied", "127.255.255.254");
  record("foreign", "192.0.2.1");
  clock.nowMs = HOUR_MS - 1;
  record("denied", "127.255.255.255");
  clock.nowMs = HOUR_MS;
  record("denied", "127.255.255.255");
  assert.deepEqual(troubles.map(({ kind, value }) => `${kind} ${value}`), [
    "denied 127.255.255.254",
    "foreign 192.0.2.1",
    "denied 127.255.255.255",
  ]);
  assert.equal(outcomes.length, 5);
});

Deno.test("ListHealth: a zone it was not made for is never kept", () => {
  const { health, troubles } = startHealth();
  for (let times = 1; times <= 9; times++) {
    health.record("other.example", [{ outcome: "unanswered", value: "" }]);
  }
  assert.equal(health.isDue("other.example"), true);
  assert.deepEqual(troubles, []);
});
