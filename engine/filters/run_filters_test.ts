import assert from "node:assert/strict";
import { reply } from "../mail/reply.ts";
import {
  filterFailure,
  type FilterInput,
  type FilterOpinion,
  NOTHING_FOUND,
  type OutsideFilter,
} from "./filter.ts";
import type { OnFailure } from "./filter_address.ts";
import { type FilterOutcome, FilterRunner } from "./run_filters.ts";
import { filterInput } from "./testdata/filter_input.ts";

type Check = (message: FilterInput, signal: AbortSignal) => Promise<FilterOpinion> | FilterOpinion;

const REFUSED = { kind: "refused", reply: reply(554, "7.1", "no") } as const;
const DEFERRED = { kind: "refused", reply: reply(451, "7.1", "later") } as const;
const NEVER = new Promise<never>(() => {});

function filter(name: string, check: Check): OutsideFilter {
  return { name, check: async (message, signal) => await check(message, signal) };
}

interface Setup {
  readonly onFailure?: OnFailure;
  readonly timeoutMs?: number;
  readonly places?: number;
  readonly maxWaiting?: number;
}

function runner(checks: Readonly<Record<string, Check>>, setup: Setup = {}) {
  const { onFailure = "accept", timeoutMs = 100, places = 8, maxWaiting = 8 } = setup;
  const outcomes: FilterOutcome[] = [];
  const clock = { nowMs: 0 };
  const filters = new FilterRunner({
    filters: Object.entries(checks).map(([name, check]) => ({
      filter: filter(name, check),
      timeoutMs,
      onFailure,
    })),
    now: () => clock.nowMs,
    onAnswered: (outcome) => outcomes.push(outcome),
    limits: { places, octets: 1_000_000, maxWaiting },
  });
  return { filters, outcomes, clock };
}

function from(address: string): FilterInput {
  return filterInput(undefined, { client: { address, port: 1, reverseName: null } });
}

Deno.test("FilterRunner: without filters, or with nothing to say, a message passes as it is", async () => {
  const nothing = {
    kind: "passed",
    signals: [],
    quarantine: null,
    changes: { onTop: "", removed: [] },
  };
  assert.deepEqual(await runner({}).filters.judge(filterInput()), nothing);
  const { filters, outcomes } = runner({ a: () => NOTHING_FOUND });
  assert.deepEqual(await filters.judge(filterInput()), nothing);
  assert.deepEqual(outcomes.map(({ filter, outcome }) => [filter, outcome]), [["a", "passed"]]);
});

Deno.test("FilterRunner: the sternest answer counts, then the order of the configuration", async () => {
  const held = { ...NOTHING_FOUND, quarantine: "odd" };
  const judged = async (checks: Record<string, Check>) => {
    const judgement = await runner(checks).filters.judge(filterInput());
    return judgement.kind === "refused"
      ? `${judgement.filter} ${judgement.reply.code}`
      : `${judgement.quarantine?.filter}`;
  };
  assert.equal(await judged({ a: () => held, b: () => DEFERRED, c: () => REFUSED }), "c 554");
  assert.equal(await judged({ a: () => held, b: () => DEFERRED, c: () => DEFERRED }), "b 451");
  assert.equal(await judged({ a: () => NOTHING_FOUND, b: () => held, c: () => held }), "b");
});

Deno.test("FilterRunner: signals and changes of all who pass are kept together", async () => {
  const signal = (name: string) => ({ name, points: 1, text: name });
  const range = (startOctet: number, endOctet: number) => ({ startOctet, endOctet });
  const { filters } = runner({
    a: () => ({
      ...NOTHING_FOUND,
      signals: [signal("A")],
      changes: { onTop: "A: 1\r\n", removed: [range(10, 20), range(30, 40)] },
    }),
    b: () => ({
      ...NOTHING_FOUND,
      signals: [signal("B")],
      changes: { onTop: "B: 1\r\n", removed: [range(0, 10), range(30, 40)] },
    }),
  });
  const judgement = await filters.judge(filterInput());
  assert.ok(judgement.kind === "passed");
  assert.deepEqual(judgement.signals.map(({ name }) => name), ["A", "B"]);
  assert.deepEqual(judgement.changes, {
    onTop: "A: 1\r\nB: 1\r\n",
    removed: [range(0, 20), range(30, 40)],
  });
});

Deno.test("FilterRunner: who refuses for good stops the others", async () => {
  let aborted = false;
  const { filters, outcomes } = runner({
    slow: (_, signal) => {
      signal.addEventListener("abort", () => aborted = true);
      return NEVER;
    },
    stern: () => REFUSED,
  }, { timeoutMs: 60_000, onFailure: "defer" });
  const judgement = await filters.judge(filterInput());
  assert.ok(judgement.kind === "refused" && judgement.reply.code === 554);
  assert.ok(aborted);
  assert.deepEqual(outcomes.map(({ outcome }) => outcome), ["refused", "stopped"]);
});

Deno.test("FilterRunner: a filter without an answer lets pass or puts off, as it is set", async (t) => {
  const failures: Record<string, Check> = {
    unreachable: () => filterFailure("unreachable", ""),
    late: () => NEVER,
    nonsense: () => {
      throw new Error("broken");
    },
  };
  for (const [fault, check] of Object.entries(failures)) {
    await t.step(fault, async () => {
      for (const onFailure of ["accept", "defer"] as const) {
        const { filters, outcomes } = runner({ a: check, b: () => NOTHING_FOUND }, { onFailure });
        const judgement = await filters.judge(filterInput());
        if (onFailure === "accept") assert.equal(judgement.kind, "passed");
        else {
          assert.ok(judgement.kind === "refused");
          assert.deepEqual([judgement.filter, judgement.reply.code], ["a", 451]);
          assert.equal(judgement.reply.enhancedStatus, "4.7.1");
        }
        const failed = outcomes.find(({ filter }) => filter === "a");
        assert.deepEqual([failed?.outcome, failed?.fault], ["failed", fault]);
      }
    });
  }
});

Deno.test("FilterRunner: what a filter will never look at is not put off for ever", async () => {
  const checks = { a: () => filterFailure("too_large", "") };
  const passed = await runner(checks).filters.judge(filterInput());
  assert.ok(passed.kind === "passed");
  assert.deepEqual(passed.signals.map(({ name, points }) => [name, points]), [
    ["FILTER_TOO_LARGE", 0],
  ]);
  const refused = await runner(checks, { onFailure: "defer" }).filters.judge(filterInput());
  assert.ok(refused.kind === "refused");
  assert.deepEqual([refused.reply.code, refused.reply.enhancedStatus], [552, "5.3.4"]);
});

Deno.test("FilterRunner: a dead filter is asked again after a rest, with one message", async () => {
  let asked = 0;
  let isDead = true;
  const { filters, outcomes, clock } = runner({
    a: () => {
      asked++;
      return isDead ? filterFailure("unreachable", "") : NOTHING_FOUND;
    },
  });
  const judge = () => filters.judge(filterInput());
  for (let n = 0; n < 20; n++) await judge();
  assert.equal(asked, 5);
  assert.equal(outcomes.at(-1)?.fault, "resting");
  clock.nowMs += 5_000;
  await Promise.all([judge(), judge(), judge()]);
  assert.equal(asked, 6);
  // It rests twice as long now.
  clock.nowMs += 5_000;
  await judge();
  assert.equal(asked, 6);
  clock.nowMs += 5_000;
  isDead = false;
  for (let n = 0; n < 3; n++) await judge();
  assert.equal(asked, 9);
});

Deno.test("FilterRunner: one client's messages do not soon put a filter to rest for all", async () => {
  const { filters, outcomes } = runner({ a: () => filterFailure("nonsense", "") });
  const rested = () => outcomes.at(-1)?.fault === "resting";
  for (let n = 0; n < 16; n++) await filters.judge(from("192.0.2.1"));
  assert.ok(!rested());
  for (let n = 0; n < 4; n++) await filters.judge(from("192.0.2.1"));
  assert.ok(rested());
  const others = runner({ a: () => filterFailure("late", "") });
  for (let n = 0; n < 6; n++) await others.filters.judge(from(`192.0.2.${n}`));
  assert.equal(others.outcomes.at(-1)?.fault, "resting");
});

Deno.test("FilterRunner: a bounded number at once and waiting, and a place stays taken until its filter is done", async () => {
  const ends: (() => void)[] = [];
  let running = 0;
  let most = 0;
  const { filters, outcomes } = runner({
    a: () => {
      most = Math.max(most, ++running);
      return new Promise((resolve) =>
        ends.push(() => {
          running--;
          resolve(NOTHING_FOUND);
        })
      );
    },
  }, { places: 2, maxWaiting: 3, timeoutMs: 50, onFailure: "defer" });
  const judged = Array.from({ length: 10 }, (_, n) => filters.judge(from(`192.0.2.${n}`)));
  const judgements = await Promise.all(judged);
  assert.ok(judgements.every(({ kind }) => kind === "refused"));
  assert.equal(most, 2);
  const faults = outcomes.map(({ fault }) => fault);
  assert.equal(faults.filter((fault) => fault === "overloaded").length, 5);
  assert.equal(faults.filter((fault) => fault === "late").length, 5);
  assert.equal(ends.length, 2);
  ends.forEach((end) => end());
});
