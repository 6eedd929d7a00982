import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ReportIntake } from "./report_intake.ts";

const FEEDBACK = Buffer.from(
  "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nReported-Domain: x.test\r\n",
);
const BROKEN = Buffer.from("Content-Type: text/xml\r\n\r\n<?xml version='1.0'?><feedback>");

function intake(keep: () => Promise<number> = () => Promise.resolve(1)) {
  const told: string[] = [];
  const opened = new ReportIntake<string>({
    keep: async (reports, origin) => {
      told.push(`${origin}: ${reports.map(({ kind }) => kind)}`);
      return await keep();
    },
    onRead: ({ kept, faults }, origin) => told.push(`${origin}: ${[kept, ...faults]}`),
    onDropped: (origin) => told.push(`${origin}: dropped`),
    onError: (error) => told.push(String(error)),
  });
  return { opened, told };
}

Deno.test("ReportIntake: reads one after the other, also behind trouble of the store", async () => {
  let isAway = true;
  const { opened, told } = intake(() => {
    if (!isAway) return Promise.resolve(1);
    isAway = false;
    return Promise.reject(new Error("away"));
  });
  opened.offer(FEEDBACK, "a");
  opened.offer(FEEDBACK, "b");
  opened.offer(BROKEN, "c");
  opened.offer(Buffer.from("Subject: hi\r\n\r\nhi"), "d");
  await opened.settled();
  assert.deepEqual(told, [
    ...["a: failure", "Error: away", "b: failure", "b: 1", "c: 0,the report is cut off", "d: 0"],
  ]);
  opened.offer(FEEDBACK, "e");
  await opened.settled();
  assert.equal(told.at(-1), "e: 1");
});

Deno.test("ReportIntake: keeps a copy, and no more than it has room for", async () => {
  const { opened, told } = intake();
  const octets = Buffer.from(FEEDBACK);
  opened.offer(octets, "first");
  octets.fill(0);
  for (let n = 0; n < 16; n++) opened.offer(BROKEN, `${n}`);
  assert.deepEqual(told, ["15: dropped"]);
  await opened.settled();
  assert.equal(told[1], "first: failure");
  const large = new Uint8Array(17 * 1024 * 1024);
  opened.offer(large, "one");
  opened.offer(large, "two");
  assert.equal(told.at(-1), "two: dropped");
  await opened.settled();
});
