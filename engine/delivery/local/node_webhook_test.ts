import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { Buffer } from "node:buffer";
import type { DeliveryId } from "../../mail/queue_id.ts";
import type { LocalRequest } from "./local_delivery.ts";
import { NodeWebhook } from "./node_webhook.ts";

const SECRET = Buffer.from("shared with the receiver");
const NOW_MS = Date.UTC(2026, 0, 2);
const octets = new Uint8Array(Buffer.from("Subject: x\r\n\r\n\xe4\r\n", "latin1"));

function request(url: string, facts: Partial<LocalRequest> = {}): LocalRequest {
  return {
    id: "0AM8N6VJR0100.0" as DeliveryId,
    domain: "example.org",
    user: "ann",
    settings: {
      transport: { kind: "webhook", url },
      sealedWebhookSecret: new Uint8Array([1]),
      quotaOctets: null,
      whenFull: "defer",
    },
    folder: "inbox",
    reversePath: "bob@example.net",
    forwardPath: "ann+x@example.org",
    queuedAtMs: NOW_MS,
    octets,
    mayBeRepeated: false,
    ...facts,
  };
}

const webhook = new NodeWebhook({
  openSecret: (_, context) => context === "webhook example.org" ? SECRET : null,
  timeoutMs: 400,
  now: () => NOW_MS,
});

async function against(
  answer: (request: Request) => Response | Promise<Response>,
  run: (url: string) => Promise<void>,
): Promise<void> {
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
  await run(`http://127.0.0.1:${server.addr.port}/mail`);
}

Deno.test("NodeWebhook: posts the octets with the envelope, signed", async () => {
  let seen: { headers: Headers; body: Uint8Array } | undefined;
  await against(async (request) => {
    seen = { headers: request.headers, body: await request.bytes() };
    return new Response("ok", { status: 202 });
  }, async (url) => {
    assert.deepEqual(await webhook.deliver(request(url)), { kind: "delivered", repeated: false });
  });
  assert.ok(seen !== undefined);
  assert.deepEqual(seen.body, octets);
  const { headers } = seen;
  assert.equal(headers.get("content-type"), "message/rfc822");
  assert.equal(headers.get("idempotency-key"), "0AM8N6VJR0100.0");
  assert.equal(headers.get("x-sluice-reverse-path"), "bob@example.net");
  assert.equal(headers.get("x-sluice-forward-path"), "ann+x@example.org");
  const expected = createHmac("sha256", SECRET)
    .update(`${NOW_MS / 1000}\n0AM8N6VJR0100.0\nbob@example.net\nann+x@example.org\n`)
    .update("ann@example.org\n").update(octets).digest("hex");
  assert.equal(headers.get("x-sluice-signature"), `v1=${expected}`);
});

Deno.test("NodeWebhook: the signature covers the envelope, each part in its place", async () => {
  const signatures = new Set<string | null>();
  await against((request) => {
    signatures.add(request.headers.get("x-sluice-signature"));
    return new Response();
  }, async (url) => {
    const changes: Partial<LocalRequest>[] = [
      {},
      { id: "0AM8N6VJR0100.1" as DeliveryId },
      { reversePath: "" },
      { reversePath: "ann+x@example.org", forwardPath: "bob@example.net" },
      { user: "eve" },
      { octets: octets.subarray(1) },
    ];
    for (const change of changes) await webhook.deliver(request(url, change));
    assert.equal(signatures.size, changes.length);
  });
});

Deno.test("NodeWebhook: answers decide between delivered, later and never", async () => {
  const outcomes: [number, string][] = [
    [200, "delivered"],
    [204, "delivered"],
    [301, "deferred 4.2.0"],
    [400, "deferred 4.2.0"],
    [401, "deferred 4.2.0"],
    [403, "deferred 4.2.0"],
    [404, "deferred 4.2.0"],
    [408, "deferred 4.2.0"],
    [410, "failed 5.2.0"],
    [413, "failed 5.3.4"],
    [415, "failed 5.2.0"],
    [422, "failed 5.2.0"],
    [429, "deferred 4.2.0"],
    [500, "deferred 4.2.0"],
    [503, "deferred 4.2.0"],
  ];
  for (const [status, expected] of outcomes) {
    const init = { status, headers: { Location: "http://192.0.2.1/" } };
    await against(() => new Response(status === 204 ? null : "why\r\nnot", init), async (url) => {
      const outcome = await webhook.deliver(request(url));
      const text = outcome.kind === "delivered"
        ? outcome.kind
        : `${outcome.kind} ${outcome.enhancedStatus}`;
      assert.equal(text, expected, `${status}`);
      if (outcome.kind !== "delivered") assert.match(outcome.reason, /answers \d+: why not$/);
    });
  }
});

Deno.test("NodeWebhook: silence, nobody there and a lost secret all mean later", async () => {
  await against(
    () => new Promise((resolve) => setTimeout(() => resolve(new Response()), 700)),
    async (url) => {
      assert.equal((await webhook.deliver(request(url))).kind, "deferred");
    },
  );
  assert.equal((await webhook.deliver(request("http://127.0.0.1:1/"))).kind, "deferred");
  const other = request("http://127.0.0.1:1/", { domain: "example.com" });
  const lost = await webhook.deliver(other);
  assert.ok(lost.kind === "deferred" && lost.enhancedStatus === "4.3.5");
});

Deno.test("NodeWebhook: what a sender chose cannot leave its field", async () => {
  let path: string | null = null;
  await against((request) => {
    path = request.headers.get("x-sluice-reverse-path");
    return new Response();
  }, async (url) => {
    await webhook.deliver(request(url, { reversePath: '"a\r\nX-Evil: 1"@дима.test 100%' }));
  });
  assert.equal(path, '"a%0D%0AX-Evil:%201"@%D0%B4%D0%B8%D0%BC%D0%B0.test%20100%25');
});

Deno.test("NodeWebhook: an endless answer is not read to its end", async () => {
  await against(() => {
    const body = new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(65_536).fill(97)) });
    return new Response(body, { status: 500 });
  }, async (url) => {
    const outcome = await webhook.deliver(request(url));
    assert.ok(outcome.kind === "deferred" && outcome.reason.length < 400);
  });
});

Deno.test("NodeWebhook: the status decides though the answer's body stalls", async () => {
  const outcomes: string[] = [];
  for (const status of [200, 410]) {
    await against(() => {
      const body = new ReadableStream({ start: (c) => c.enqueue(new Uint8Array([111, 107])) });
      return new Response(body, { status });
    }, async (url) => {
      const outcome = await webhook.deliver(request(url));
      outcomes.push(outcome.kind === "delivered" ? outcome.kind : outcome.reason);
    });
  }
  assert.deepEqual(outcomes, ["delivered", "the webhook answers 410: ok"]);
});
