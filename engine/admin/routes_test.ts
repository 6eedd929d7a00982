import assert from "node:assert/strict";
import { router } from "./routes.ts";

const handler = () => new Response();
const match = router([
  { path: "/api/v1/queue/:id", methods: { GET: handler, DELETE: handler } },
  { path: "/api/v1/domains", methods: { POST: handler } },
]);

Deno.test("router: finds a handler and the pattern's groups", () => {
  const found = match("DELETE", "/api/v1/queue/0123456789ABC");
  assert.ok(found.kind === "found");
  assert.deepEqual({ ...found.params }, { id: "0123456789ABC" });
});

Deno.test("router: HEAD goes where GET goes, and only there (RFC 9110 §9.3.2)", () => {
  assert.equal(match("HEAD", "/api/v1/queue/1").kind, "found");
  assert.deepEqual(match("HEAD", "/api/v1/domains"), { kind: "wrong_method", allow: "POST" });
});

Deno.test("router: tells the methods a path takes (RFC 9110 §15.5.6)", () => {
  assert.deepEqual(match("PUT", "/api/v1/queue/1"), {
    kind: "wrong_method",
    allow: "GET, HEAD, DELETE",
  });
});

Deno.test("router: a path beside the patterns has no route", () => {
  assert.deepEqual(match("GET", "/api/v1/queue/1/2"), { kind: "no_route" });
  assert.deepEqual(match("GET", "/"), { kind: "no_route" });
});
