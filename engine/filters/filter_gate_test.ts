import assert from "node:assert/strict";
import { FilterGate } from "./filter_gate.ts";

/** Lets every promise that can go on do so. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

Deno.test("FilterGate: octets bound who enters, nobody overtakes, and a huge message goes alone", async () => {
  const gate = new FilterGate({ places: 10, octets: 100, maxWaiting: 10 });
  const { signal } = new AbortController();
  const entered: string[] = [];
  const enter = async (name: string, octets: number) => {
    assert.equal(await gate.enter(octets, signal), "entered");
    entered.push(name);
  };
  enter("a", 60);
  enter("huge", 1_000);
  enter("small", 1);
  await settle();
  assert.deepEqual(entered, ["a"]);
  gate.leave(60);
  await settle();
  assert.deepEqual(entered, ["a", "huge"]);
  gate.leave(1_000);
  await settle();
  assert.deepEqual(entered, ["a", "huge", "small"]);
});

Deno.test("FilterGate: who gives up makes room for who waits behind", async () => {
  const gate = new FilterGate({ places: 10, octets: 100, maxWaiting: 2 });
  const { signal } = new AbortController();
  const impatient = new AbortController();
  assert.equal(await gate.enter(60, signal), "entered");
  const large = gate.enter(80, impatient.signal);
  const small = gate.enter(10, signal);
  assert.equal(await gate.enter(1, signal), "full");
  impatient.abort();
  assert.equal(await large, "aborted");
  assert.equal(await small, "entered");
  assert.equal(await gate.enter(1, impatient.signal), "aborted");
});
