import assert from "node:assert/strict";
import { type AdminHttpOptions, answer, serveAdminHttp } from "./http.ts";

const PORT = 19_010;
const BASE = `http://127.0.0.1:${PORT}`;

function serve(options: Partial<AdminHttpOptions> = {}) {
  const server = serveAdminHttp({
    address: "127.0.0.1",
    port: PORT,
    readiness: () => Promise.resolve({ ready: true, checks: {} }),
    metrics: () => Promise.resolve("smtp_x 1\n"),
    onError: (error) => {
      throw error;
    },
    ...options,
  });
  assert.ok(server !== null);
  return server;
}

async function get(path: string, init?: RequestInit) {
  const response = await fetch(BASE + path, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

Deno.test("serveAdminHttp: /healthz answers while the process runs, with security headers", async () => {
  await using _server = serve();
  const { status, headers, text } = await get("/healthz");
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(text), { status: "ok" });
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  assert.equal(headers.get("cache-control"), "no-store");
  assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'/);
});

Deno.test("serveAdminHttp: /readyz says which check failed", async () => {
  let state = { ready: false, checks: { database: { ok: false, detail: "no answer" } } };
  await using _server = serve({ readiness: () => Promise.resolve(state) });
  const before = await get("/readyz");
  assert.equal(before.status, 503);
  assert.deepEqual(JSON.parse(before.text), state);
  state = { ready: true, checks: { database: { ok: true, detail: "" } } };
  assert.equal((await get("/readyz")).status, 200);
});

Deno.test("serveAdminHttp: /metrics is Prometheus text", async () => {
  await using _server = serve();
  const { status, headers, text } = await get("/metrics");
  assert.equal(status, 200);
  assert.equal(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(text, "smtp_x 1\n");
});

Deno.test("serveAdminHttp: HEAD has GET's headers and no content; else 404 and 405", async () => {
  await using _server = serve();
  const head = await get("/healthz", { method: "HEAD" });
  assert.deepEqual([head.status, head.text], [200, ""]);
  assert.match(head.headers.get("content-type") ?? "", /json/);
  const missing = await get("/nothing");
  assert.equal(missing.status, 404);
  assert.equal(missing.headers.get("x-frame-options"), "DENY");
  const posted = await get("/metrics", { method: "POST", body: "x" });
  assert.deepEqual([posted.status, posted.headers.get("allow")], [405, "GET, HEAD"]);
});

Deno.test("serveAdminHttp: added routes come first and keep their own headers", async () => {
  await using _server = serve({
    routes: [{
      path: "/api/v1/queue/:id",
      methods: {
        GET: (_request, { params }) => answer(200, params, { "cache-control": "max-age=1" }),
      },
    }],
  });
  const { headers, text } = await get("/api/v1/queue/7");
  assert.deepEqual(JSON.parse(text), { id: "7" });
  assert.equal(headers.get("cache-control"), "max-age=1");
});

Deno.test("serveAdminHttp: a handler that throws costs a 500 without its reason", async () => {
  const errors: [unknown, string][] = [];
  await using _server = serve({
    metrics: () => Promise.reject(new Error("secret reason")),
    onError: (error, path) => errors.push([error, path]),
  });
  const { status, text } = await get("/metrics");
  assert.equal(status, 500);
  assert.doesNotMatch(text, /secret/);
  assert.match(String(errors[0][0]), /secret reason/);
  assert.equal(errors[0][1], "/metrics");
});

Deno.test("serveAdminHttp: a handler without an answer is cut off and told", async () => {
  const { promise: told, resolve } = Promise.withResolvers<void>();
  await using _server = serve({
    handlingTimeoutMs: 20,
    routes: [{
      path: "/slow",
      methods: {
        GET: (_request, { signal }) => {
          signal.addEventListener("abort", () => resolve());
          return new Promise<Response>(() => {});
        },
      },
    }],
  });
  const { status } = await get("/slow");
  assert.equal(status, 503);
  await told;
});

Deno.test("serveAdminHttp: more than 64 requests at once are turned away", async () => {
  const release = Promise.withResolvers<void>();
  const all = Promise.withResolvers<void>();
  let waiting = 0;
  await using _server = serve({
    routes: [{
      path: "/wait",
      methods: {
        GET: async () => {
          if (++waiting === 64) all.resolve();
          await release.promise;
          return answer(200, {});
        },
      },
    }],
  });
  const held = Array.from({ length: 64 }, () => get("/wait"));
  await all.promise;
  assert.equal((await get("/healthz")).status, 503);
  release.resolve();
  for (const { status } of await Promise.all(held)) assert.equal(status, 200);
  assert.equal((await get("/healthz")).status, 200);
});

Deno.test("serveAdminHttp: the signal lets a request under way finish, and frees the port", async () => {
  const stop = new AbortController();
  const started = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const server = serve({
    signal: stop.signal,
    routes: [{
      path: "/wait",
      methods: {
        GET: async () => {
          started.resolve();
          await release.promise;
          return answer(200, {});
        },
      },
    }],
  });
  const held = get("/wait");
  await started.promise;
  stop.abort();
  release.resolve();
  assert.equal((await held).status, 200);
  await server[Symbol.asyncDispose]();
  await using _again = serve();
  assert.equal((await get("/healthz")).status, 200);
});

Deno.test("serveAdminHttp: port 0 turns it off", () => {
  const off = serveAdminHttp({
    address: "127.0.0.1",
    port: 0,
    readiness: () => Promise.reject(new Error()),
    metrics: () => Promise.reject(new Error()),
    onError: () => {},
  });
  assert.equal(off, null);
});
