import assert from "node:assert/strict";
import type { QueueId } from "../mail/queue_id.ts";
import { BodyHandoff, type CommittedBody, receiveBodies } from "./body_handoff.ts";

const MEBIBYTE = 1024 * 1024;

function body(n: number, octets: number): CommittedBody {
  return { id: `000000000000${n}` as QueueId, octets: new Uint8Array(octets).fill(n) };
}

/** Resolves once messages sent before have arrived on both ports. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("BodyHandoff: a body moves, with its octets and without a copy", async () => {
  const { port1, port2 } = new MessageChannel();
  const received = new Map<QueueId, Uint8Array>();
  receiveBodies(port2, (id, octets) => received.set(id, octets));
  const handoff = new BodyHandoff(port1);
  const sent = [body(1, 10), body(2, 0), body(3, 3 * MEBIBYTE)];
  handoff.offer(sent);
  await settled();
  assert.deepEqual([...received.keys()], sent.map(({ id }) => id));
  assert.deepEqual(received.get(sent[0].id), new Uint8Array(10).fill(1));
  assert.equal(received.get(sent[2].id)?.[3 * MEBIBYTE - 1], 3);
  assert.equal(sent[0].octets.length, 0);
  handoff.close();
  port2.close();
});

Deno.test("BodyHandoff: no more is on its way than the window, which opens again", async () => {
  const { port1, port2 } = new MessageChannel();
  const received: QueueId[] = [];
  const handoff = new BodyHandoff(port1);
  const first = [1, 2, 3, 4].map((n) => body(n, 5 * MEBIBYTE));
  handoff.offer(first);
  const [kept] = first.filter(({ octets }) => octets.length > 0);
  // The fourth does not fit into 16 MiB; a small one still does.
  assert.equal(kept, first[3]);
  const small = body(5, 10);
  handoff.offer([kept, small]);
  assert.equal(kept.octets.length, 5 * MEBIBYTE);
  assert.equal(small.octets.length, 0);
  receiveBodies(port2, (id) => received.push(id));
  await settled();
  handoff.offer([kept]);
  await settled();
  assert.deepEqual(received, [first[0].id, first[1].id, first[2].id, small.id, kept.id]);
  handoff.close();
  port2.close();
});
