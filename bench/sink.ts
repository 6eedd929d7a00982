/**
 * The next hop of a run: takes every message, reads its stamp, and tells on request what came.
 * A program of its own, started with a port; commands come line by line on standard input and each
 * is answered by one JSON line: `reset N` (expect serials below N), `count`, `report`.
 */

import { createServer } from "node:net";
import type { Percentiles } from "./measurement.ts";
import { SinkSession } from "./sink_session.ts";
import { readStamp, stampNowMs } from "./stamp.ts";
import { percentilesOf } from "./statistics.ts";

export interface SinkCount {
  readonly arrived: number;
  readonly lastAtMs: number;
}

export interface SinkReport extends SinkCount {
  readonly latencyMs: Percentiles;
  readonly missing: number;
  readonly doubled: number;
  readonly unknown: number;
}

/** More latencies than this are counted but not kept. */
const latencyLimit = 1_000_000;

class Arrivals {
  #arrived = 0;
  #lastAtMs = 0;
  #unknown = 0;
  #latencies: number[] = [];
  #seen = new Uint8Array(0);

  expect(serials: number): SinkCount {
    this.#arrived = this.#lastAtMs = this.#unknown = 0;
    this.#latencies = [];
    this.#seen = new Uint8Array(serials);
    return this.count();
  }

  take(head: string): void {
    this.#lastAtMs = stampNowMs();
    this.#arrived++;
    const { sentAtMs, serial } = readStamp(head);
    if (sentAtMs !== null && this.#latencies.length < latencyLimit) {
      this.#latencies.push(this.#lastAtMs - sentAtMs);
    }
    if (serial === null || !(serial in this.#seen)) this.#unknown++;
    else this.#seen[serial] = Math.min(255, this.#seen[serial] + 1);
  }

  count(): SinkCount {
    return { arrived: this.#arrived, lastAtMs: this.#lastAtMs };
  }

  report(): SinkReport {
    return {
      ...this.count(),
      latencyMs: percentilesOf(this.#latencies),
      missing: this.#seen.filter((times) => times === 0).length,
      doubled: this.#seen.filter((times) => times > 1).length,
      unknown: this.#unknown,
    };
  }
}

if (import.meta.main) {
  const arrivals = new Arrivals();
  const server = createServer({ noDelay: true }, (socket) => {
    const session = new SinkSession((head) => arrivals.take(head));
    socket.on("data", (chunk) => {
      const { reply, quit } = session.feed(chunk);
      if (quit) socket.end(reply);
      else if (reply !== "") socket.write(reply, "latin1");
    });
    socket.on("error", () => socket.destroy());
    socket.write("220 sink.bench.test ESMTP\r\n");
  });
  server.listen({ host: "127.0.0.1", port: Number(Deno.args[0]), backlog: 1024 });

  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  let unread = "";
  for await (const text of lines) {
    unread += text;
    for (let end; (end = unread.indexOf("\n")) !== -1;) {
      const [verb, argument] = unread.slice(0, end).split(" ");
      unread = unread.slice(end + 1);
      if (verb === "reset") console.log(JSON.stringify(arrivals.expect(Number(argument))));
      else console.log(JSON.stringify(verb === "report" ? arrivals.report() : arrivals.count()));
    }
  }
  Deno.exit(0);
}
