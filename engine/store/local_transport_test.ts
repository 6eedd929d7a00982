import assert from "node:assert/strict";
import fc from "fast-check";
import type { LocalTransport } from "./directory.ts";
import { formatLocalTransport, parseLocalTransport } from "./local_transport.ts";

const WRITTEN: readonly (readonly [string, LocalTransport])[] = [
  ["maildir", { kind: "maildir" }],
  ["lmtp:/run/dovecot/lmtp", { kind: "lmtp", address: "/run/dovecot/lmtp" }],
  ["lmtp:127.0.0.1:24", { kind: "lmtp", address: "127.0.0.1:24" }],
  ["lmtp:[::1]:24", { kind: "lmtp", address: "[::1]:24" }],
  ["webhook:https://hook.test/mail?to=a", { kind: "webhook", url: "https://hook.test/mail?to=a" }],
];

Deno.test("parseLocalTransport: reads what formatLocalTransport writes", () => {
  for (const [text, transport] of WRITTEN) {
    assert.equal(formatLocalTransport(transport), text);
    assert.deepEqual(parseLocalTransport(text), transport);
  }
});

Deno.test("parseLocalTransport: takes nothing else", () => {
  const rejected = ["", "maildir:", "Maildir", "lmtp", "lmtp:", "lmtp:/", "lmtp:run/lmtp"].concat(
    ["lmtp:host", "lmtp:host:0", "lmtp:host:65536", "lmtp::24", "lmtp:::1:24", "lmtp:/a\nb"],
    ["webhook:", "webhook:hook.test", "webhook:file:///etc/passwd", "smtp:host:25"],
    [`webhook:https://hook.test/${"a".repeat(2048)}`],
  );
  for (const text of rejected) assert.equal(parseLocalTransport(text), null, text);
});

Deno.test("parseLocalTransport: writes what it read as it was, and never throws", () => {
  const text = fc.tuple(fc.constantFrom("lmtp:", "webhook:", "webhook:http://", ""), fc.string());
  fc.assert(fc.property(text, ([kind, rest]) => {
    const transport = parseLocalTransport(kind + rest);
    if (transport !== null) assert.equal(formatLocalTransport(transport), kind + rest);
  }));
});
