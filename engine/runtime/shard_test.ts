import assert from "node:assert/strict";
import { chooseWorker, clientNetwork } from "./shard.ts";

Deno.test("clientNetwork: an IPv6 client is its /64, an IPv4 client itself", () => {
  assert.equal(clientNetwork("192.0.2.7"), "192.0.2.7");
  assert.equal(clientNetwork("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  assert.equal(clientNetwork("2001:db8::9"), "2001:db8:0:0::/64");
  assert.equal(clientNetwork("::1"), "0:0:0:0::/64");
});

Deno.test("chooseWorker: a client meets the same worker while loads are even", () => {
  const first = chooseWorker("192.0.2.7", [0, 0, 0, 0]);
  for (let load = 1; load < 50; load++) {
    assert.equal(chooseWorker("192.0.2.7", [load, load, load, load]), first);
  }
});

Deno.test("chooseWorker: one client's many connections spread within 1.25 times the mean", () => {
  const loads = [0, 0, 0];
  for (let i = 0; i < 3000; i++) {
    const worker = chooseWorker("192.0.2.7", loads);
    loads[worker] = loads[worker]! + 1;
  }
  assert.ok(Math.max(...loads) <= 1252, loads.join(" "));
});

Deno.test("chooseWorker: a thousand clients share four workers evenly", () => {
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 1000; i++) {
    const worker = chooseWorker(`198.51.${i >> 8}.${i & 255}`, [9, 9, 9, 9]);
    counts[worker] = counts[worker]! + 1;
  }
  assert.ok(Math.min(...counts) > 190, counts.join(" "));
});

Deno.test("chooseWorker: skips a worker that is down, and answers -1 when all are", () => {
  for (let i = 0; i < 20; i++) assert.equal(chooseWorker(`203.0.113.${i}`, [null, 0, null]), 1);
  assert.equal(chooseWorker("203.0.113.1", [null, null]), -1);
});
