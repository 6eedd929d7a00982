/** Real and broken messages pass through a running server octet by octet, to a mailbox and to a next hop. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import { type Copy, newCopies, queueIdOf, readCopy, splitTrace } from "./fixtures/maildir.ts";
import { MIME_COLLECTION, type MimeSample, mimeSamples } from "./fixtures/mime_collection.ts";
import { until } from "./fixtures/process.ts";
import { startServer } from "./fixtures/server.ts";
import { SmtpClient } from "./fixtures/smtp_client.ts";
import { startSink } from "./fixtures/smtp_sink.ts";

const CLIENTS = 4;
const CRLF = Buffer.from("\r\n");

/** Written apart from the server's own, so that the two cannot share a mistake. */
function stuffed(octets: Buffer): Buffer {
  const text = octets.toString("latin1");
  return Buffer.from(text.replace(/(^|\r\n)\./g, "$1..") + lineEnd(octets) + ".\r\n", "latin1");
}

/** What DATA adds to a message whose last line lacks its end (RFC 5321 §4.1.1.4). */
function lineEnd(octets: Buffer): string {
  return octets.length === 0 || octets.subarray(-2).equals(CRLF) ? "" : "\r\n";
}

Deno.test("passage: below the trace fields every message arrives as it was sent (RFC 5321 §6.4)", async (test) => {
  if (!existsSync(MIME_COLLECTION)) {
    console.warn(`skipped ${test.name}: ${MIME_COLLECTION} is absent`);
    return;
  }
  await using sink = await startSink();
  await using server = await startServer({
    RELAY_NETWORKS: "127.0.0.0/8",
    SMARTHOST: `smtp://127.0.0.1:${sink.port}`,
  });
  const sent = new Map<string, MimeSample>();
  let refused = 0;
  const waiting = mimeSamples();
  const runClient = async () => {
    const connect = async () => {
      const client = await SmtpClient.connect(server.ports.smtp);
      await client.exchange("EHLO client.example\r\n", 2);
      return client;
    };
    let client = await connect();
    for (const sample of waiting) {
      const replies = await client.exchange(
        "MAIL FROM:<a@example.org> BODY=8BITMIME\r\nRCPT TO:<admin@localhost>\r\n" +
          "RCPT TO:<ann@remote.example>\r\nDATA\r\n",
        4,
      );
      assert.deepEqual(replies.map((line) => line.slice(0, 3)), ["250", "250", "250", "354"]);
      await client.send(stuffed(sample.octets));
      const [end] = await client.exchange("", 1);
      const id = /^250 2\.0\.0 queued as (\w{13})$/.exec(end)?.[1];
      assert.equal(id !== undefined, sample.isClean, `${sample.name}: ${end}`);
      if (id !== undefined) sent.set(id, sample);
      else {
        assert.match(end, /^550 5\.6\.0 /, sample.name);
        refused++;
        // A session that collects refusals is ended sooner or later.
        client[Symbol.dispose]();
        client = await connect();
      }
    }
    client[Symbol.dispose]();
  };
  await Promise.all(Array.from({ length: CLIENTS }, runClient));
  assert.ok(sent.size > 500 && refused > 300, `${sent.size} sent, ${refused} refused`);

  await until(() => newCopies(server.mailbox).length >= sent.size, 60_000);
  await until(() => sink.messages.length >= sent.size, 60_000);
  const copies = newCopies(server.mailbox);
  assert.deepEqual(new Set(copies.map(queueIdOf)), new Set(sent.keys()));
  const arrived: [where: string, copy: Copy][] = [
    ...copies.map((name): [string, Copy] => ["mailbox", readCopy(server.mailbox, name)]),
    ...sink.messages.map(({ octets }): [string, Copy] => ["next hop", splitTrace(octets)]),
  ];
  assert.equal(arrived.length, 2 * sent.size);
  for (const [where, { queueId, octets }] of arrived) {
    const sample = sent.get(queueId);
    assert.ok(sample !== undefined, `${queueId} in the ${where} was not sent`);
    const expected = Buffer.concat([sample.octets, Buffer.from(lineEnd(sample.octets))]);
    if (!octets.equals(expected)) {
      let at = 0;
      while (octets[at] === expected[at]) at++;
      assert.fail(`${sample.name}: ${where} differs from octet ${at} on`);
    }
  }
});
