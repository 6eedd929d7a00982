import assert from "node:assert/strict";
import { maskUrl, maskUrlsIn, nameTag } from "./mask.ts";

Deno.test("maskUrl: hides passwords, also those that should have been escaped", () => {
  assert.equal(maskUrl("redis://:hunter2@redis:6379/0"), "redis://:***@redis:6379/0");
  assert.equal(maskUrl("postgres://ann:h@nt/er?2@db/mail"), "postgres://ann:***@db/mail");
  assert.equal(maskUrl("postgres://db/mail?password=x&a=b"), "postgres://db/mail?password=***&a=b");
});

Deno.test("maskUrl: leaves addresses without a password alone", () => {
  assert.equal(maskUrl("redis://redis.example.org:6379/0"), "redis://redis.example.org:6379/0");
  assert.equal(maskUrl("postgres://ann@db/mail"), "postgres://ann@db/mail");
});

Deno.test("maskUrlsIn: hides the passwords of all URLs of a text", () => {
  assert.equal(
    maskUrlsIn("no way to redis://:a@x nor postgres://b:c@y:1/d, at 10:30 for ann@z"),
    "no way to redis://:***@x nor postgres://b:***@y:1/d, at 10:30 for ann@z",
  );
});

Deno.test("nameTag: the same for the same name, and of no use without the key", () => {
  const [key, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  assert.match(nameTag("hunter2", key), /^unknown#[0-9a-f]{8}$/);
  assert.equal(nameTag("hunter2", key), nameTag("hunter2", key));
  assert.notEqual(nameTag("hunter2", key), nameTag("hunter3", key));
  assert.notEqual(nameTag("hunter2", key), nameTag("hunter2", other));
});
