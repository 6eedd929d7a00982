import assert from "node:assert/strict";
import { figuresOf, type Scored } from "./figures.ts";

const ham = (points: number): Scored => ({ label: "ham", points });
const spam = (points: number): Scored => ({ label: "spam", points });

Deno.test("figuresOf: the area is 1 when every spam is above every ham, and a tie counts half", () => {
  assert.equal(figuresOf([ham(0), ham(1), spam(2), spam(3)], 2).auc, 1);
  assert.equal(figuresOf([ham(1), spam(1)], 2).auc, 0.5);
  assert.equal(figuresOf([ham(0), ham(2), spam(1), spam(3)], 2).auc, 0.75);
});

Deno.test("figuresOf: counts what is at the limit as above it", () => {
  const { atDefault } = figuresOf([ham(1), ham(5), spam(5), spam(9), spam(4.9)], 5);
  assert.deepEqual(atDefault, { points: 5, hamAbove: 1, spamAbove: 2 });
});

Deno.test("figuresOf: the best point spares no more ham than it may", () => {
  const hams = Array.from({ length: 1_000 }, (_, at) => ham(at / 1_000));
  const { best } = figuresOf([...hams, ham(7), spam(6), spam(8)], 5);
  assert.deepEqual(best[0], { points: 8, hamAbove: 0, spamAbove: 1 });
  assert.deepEqual(best[1], { points: 6, hamAbove: 1, spamAbove: 2 });
});
