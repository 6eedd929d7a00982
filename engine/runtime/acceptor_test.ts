import assert from "node:assert/strict";
import type { ListenerName } from "../smtp/session.ts";
import { Acceptor } from "./acceptor.ts";
import type { AcceptedConnection } from "./ffi_listener.ts";

type Connections = readonly AcceptedConnection<ListenerName>[];

function connections(...fds: readonly number[]): Connections {
  return fds.map((fd) => ({
    fd,
    listener: "smtp",
    local: { address: "192.0.2.25", port: 25 },
    remote: { address: `198.51.100.${fd}`, port: 40_000 + fd },
  }));
}

/** An acceptor with one worker, whose sockets are numbers. */
function oneWorker() {
  const door = {
    accept: (_: Connections) => {},
    goodbyes: [] as string[],
    handed: [] as number[],
    adopted: 0,
  };
  const acceptor = new Acceptor({
    listen: (onConnections) => {
      door.accept = onConnections;
      return {
        sayGoodbye: (fd, line) => door.goodbyes.push(`${fd} ${line.slice(0, 3)}`),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
    workers: 1,
    maxConnections: 100,
    maxPerClient: 100,
    hand: (_, batch) => {
      door.handed.push(...batch.map(({ fd }) => fd));
      return true;
    },
    adopted: () => door.adopted,
    onRefused: () => {},
  });
  acceptor.workerReady(0);
  return { acceptor, door };
}

Deno.test("Acceptor: a worker that dies leaves no connection open which it had not adopted", () => {
  const { acceptor, door } = oneWorker();
  door.accept(connections(1, 2, 3));
  door.adopted = 2;
  door.accept(connections(4));
  assert.deepEqual(door.handed, [1, 2, 3, 4]);
  door.adopted = 3;
  acceptor.workerGone(0);
  assert.deepEqual(door.goodbyes, ["4 421"]);
  assert.equal(acceptor.openConnections, 0);
});

Deno.test("Acceptor: a new worker begins with nothing of the one before", () => {
  const { acceptor, door } = oneWorker();
  door.accept(connections(1, 2));
  acceptor.workerGone(0);
  door.accept(connections(3));
  acceptor.workerReady(0);
  door.accept(connections(4));
  acceptor.workerGone(0);
  assert.deepEqual(door.goodbyes, ["1 421", "2 421", "3 421", "4 421"]);
});
