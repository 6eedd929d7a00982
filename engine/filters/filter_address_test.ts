import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatFilterAddress,
  parseFilterAddress,
  parseMilters,
  parseRspamdUrl,
} from "./filter_address.ts";

Deno.test("parseFilterAddress: hosts with ports, and paths", () => {
  const good: Record<string, unknown> = {
    "127.0.0.1:3310": { transport: "tcp", host: "127.0.0.1", port: 3310 },
    "[::1]:3310": { transport: "tcp", host: "::1", port: 3310 },
    "ClamAV.example.org:1": { transport: "tcp", host: "clamav.example.org", port: 1 },
    "/run/clamav/clamd.ctl": { transport: "unix", path: "/run/clamav/clamd.ctl" },
  };
  for (const [text, address] of Object.entries(good)) {
    assert.deepEqual(parseFilterAddress(text), address);
  }
  const bad = [
    ...["", "/", "host", "host:", ":1", "host:0", "host:65536", "::1:3310", "[host]:1", "1.2.3:4"],
    ...["a b:1", `/${"x".repeat(107)}`, "/a\0b", "run/clamd.ctl", "[127.0.0.1]:1"],
  ];
  for (const text of bad) assert.equal(parseFilterAddress(text), null, text);
});

Deno.test("parseFilterAddress: no text throws, and what is read is written the same", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string().map((text) => `${text}:25`)), (text) => {
    const address = parseFilterAddress(text);
    if (address === null) return;
    assert.deepEqual(parseFilterAddress(formatFilterAddress(address)), address);
  }));
});

Deno.test("parseMilters: each one once, in order, and each with its kind", () => {
  assert.deepEqual(parseMilters("unix:/run/a.sock, inet:[::1]:8891,unix:/run/a.sock"), [
    { transport: "unix", path: "/run/a.sock" },
    { transport: "tcp", host: "::1", port: 8891 },
  ]);
  const many = Array.from({ length: 9 }, (_, n) => `inet:127.0.0.1:${n + 1}`).join(",");
  const bad = ["", ",", "/run/a.sock", "inet:/run/a.sock", "unix:host:1", "inet:host:1,", many];
  for (const text of bad) assert.equal(parseMilters(text), null, text);
});

Deno.test("parseRspamdUrl: an address without anything that belongs to a single question", () => {
  assert.equal(parseRspamdUrl("http://127.0.0.1:11333"), "http://127.0.0.1:11333");
  assert.equal(parseRspamdUrl("https://Rspamd.test/scan/"), "https://rspamd.test/scan");
  const bad = [
    "",
    "127.0.0.1:11333",
    "ftp://a/",
    "http://",
    "http://u:p@a/",
    "http://a/?x",
    "http://a/#x",
  ];
  for (const text of bad) assert.equal(parseRspamdUrl(text), null, text);
});
