/** Connections come and go by the ten thousands: descriptors and memory must not. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { until } from "../fixtures/process.ts";
import { startServer } from "../fixtures/server.ts";

const CONNECTIONS = 50_000;
const WAVE = 10_000;
/** A leak rises in each of them; a heap that found its size later than others in one. */
const ROUNDS = 3;
const AT_ONCE = 64;
/** Several, so that the client's ports last. */
const ADDRESSES = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];
/** Of memory and descriptors, either way. */
const TOLERANCE = 0.05;

interface Usage {
  readonly descriptors: number;
  readonly residentOctets: number;
  readonly open: number;
}

/** Every third client leaves without a word, every third in the middle of a message. */
function visit(port: number, index: number): Promise<void> {
  const farewell = [
    "QUIT\r\n",
    "",
    "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<admin@localhost>\r\nDATA\r\nx: ",
  ];
  return new Promise((resolve, reject) => {
    const socket = connect({ host: ADDRESSES[index % ADDRESSES.length], port });
    socket.once("error", reject);
    socket.once("data", () => {
      const words = farewell[index % farewell.length];
      if (words === "QUIT\r\n") socket.end(words);
      else if (words === "") socket.end();
      else socket.write(words, () => socket.destroy());
    });
    socket.on("close", () => resolve());
    socket.resume();
  });
}

async function visits(port: number, count: number): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < count) await visit(port, next++);
  }));
}

async function usage(httpPort: number): Promise<Usage> {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  const value = (name: string) => {
    const lines = text.split("\n").filter((line) => line.startsWith(name));
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  };
  return {
    descriptors: value("smtp_process_open_descriptors"),
    residentOctets: value("smtp_process_resident_memory_bytes"),
    open: value("smtp_connections_open"),
  };
}

async function settled(httpPort: number): Promise<Usage> {
  let last = await usage(httpPort);
  await until(async () => {
    last = await usage(httpPort);
    return last.open === 0;
  }, 30_000);
  return last;
}

Deno.test("serve: 50,000 connections leave descriptors and memory where they were", async () => {
  await using server = await startServer({
    LISTEN_ADDRESS: ADDRESSES.join(","),
    LOG_LEVEL: "warning",
    SESSION_WORKERS: "2",
  });
  // Memory goes up and down with the garbage collector: what counts is whether its highs rise.
  const highest = async (waves: number) => {
    let high: Usage = { descriptors: 0, residentOctets: 0, open: 0 };
    for (let wave = 0; wave < waves; wave++) {
      await visits(server.ports.smtp, WAVE);
      const now = await settled(server.httpPort);
      if (now.residentOctets > high.residentOctets) high = now;
    }
    return high;
  };
  const mebibytes = (octets: number) => Math.round(octets / 1024 / 1024);
  let before = await highest(CONNECTIONS / WAVE);
  let after = before;
  for (let round = 0; round < ROUNDS; round++) {
    if (round > 0) before = after;
    after = await highest(CONNECTIONS / WAVE);
    console.log(
      `${CONNECTIONS} connections: descriptors ${before.descriptors} -> ${after.descriptors}, ` +
        `memory ${mebibytes(before.residentOctets)} -> ${mebibytes(after.residentOctets)} MiB`,
    );
    if (after.residentOctets <= before.residentOctets * (1 + TOLERANCE)) break;
  }
  assert.ok(Math.abs(after.descriptors - before.descriptors) <= before.descriptors * TOLERANCE);
  assert.ok(after.residentOctets <= before.residentOctets * (1 + TOLERANCE));
});
