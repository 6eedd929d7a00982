import assert from "node:assert/strict";
import fc from "fast-check";
import type { LogRecord } from "@logtape/logtape";
import { jsonFormatter, LINE_OCTETS, prettyFormatter } from "./log_format.ts";

function record(properties: Record<string, unknown>, message = "said"): LogRecord {
  return {
    category: ["sluice", "delivery"],
    level: "info",
    rawMessage: message,
    message: [message],
    timestamp: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    properties,
  };
}

const json = jsonFormatter({ thread: "session-1" });
const pretty = prettyFormatter({});

function parsed(properties: Record<string, unknown>, message?: string) {
  return JSON.parse(json(record(properties, message)));
}

function octets(text: string): number {
  return new TextEncoder().encode(text).length;
}

Deno.test("jsonFormatter: time, level, logger, thread, event, queue id and message come first", () => {
  const line = json(record({ rcpt: "ann@example.org", queue_id: "Q", event: "delivered", n: 1 }));
  assert.equal(
    line,
    '{"time":"2026-01-02T03:04:05.678Z","level":"info","logger":"delivery",' +
      '"thread":"session-1","event":"delivered","queue_id":"Q","msg":"said",' +
      '"rcpt":"ann@example.org","n":1}',
  );
});

Deno.test("jsonFormatter: fills in a template, whose values are never templates", () => {
  const { msg } = parsed({ rcpt: "a{secret}{event}@b", event: "e" }, "to {rcpt} {event}, {none}");
  assert.equal(msg, "to a{secret}{event}@b e, null");
  assert.equal(parsed({ password: "hunter2" }, "with {password}").msg, "with ***");
});

Deno.test("jsonFormatter: masks secrets by key and in URLs", () => {
  const fields = {
    password: "hunter2",
    smtpPassword: "hunter2",
    Authorization: "hunter2",
    api_key: "hunter2",
    auth_response: "hunter2",
    nested: { token: "hunter2", deeper: [{ client_secret: "hunter2" }] },
    error: new Error("connect postgres://ann:hunter2@db/mail failed"),
  };
  const line = json(record(fields, "from postgres://ann:hunter2@db/mail"));
  assert.doesNotMatch(line, /hunter2/);
  assert.equal(JSON.parse(line).nested.token, "***");
  assert.doesNotMatch(pretty(record(fields)), /hunter2/);
});

Deno.test("jsonFormatter: shows errors with their causes", () => {
  const cause = new TypeError("inner");
  const { error } = parsed({ error: new Error("outer", { cause }) });
  assert.equal(error.message, "outer");
  assert.equal(error.cause.name, "TypeError");
  assert.equal(error.cause.message, "inner");
  assert.match(error.stack, /log_format_test/);
});

Deno.test("jsonFormatter: values without a JSON form get one", () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  const line = parsed({
    big: 12n,
    nan: NaN,
    at: new Date(0),
    never: new Date(NaN),
    octets: new Uint8Array(3),
    missing: undefined,
    loop,
  });
  assert.equal(line.big, "12");
  assert.equal(line.nan, null);
  assert.equal(line.at, "1970-01-01T00:00:00.000Z");
  assert.equal(line.never, null);
  assert.equal(line.octets, "<3 octets>");
  assert.ok(!("missing" in line));
});

Deno.test("jsonFormatter: cuts long values and leaves out what does not fit", () => {
  const line = json(
    record({ a: "x".repeat(5000), b: "é".repeat(5000), c: "\x01".repeat(5000), d: 1 }),
  );
  assert.ok(octets(line) < LINE_OCTETS);
  const { a, truncated } = JSON.parse(line);
  assert.equal(a.length, 512);
  assert.equal(truncated, true);
});

const anyProperties = fc.dictionary(
  fc.constantFrom("event", "queue_id", "rcpt", "mx", "reply", "status", "password", "é"),
  fc.oneof(
    fc.string({
      unit: fc.constantFrom(
        "a",
        '"',
        "\\",
        "\n",
        "\x1b",
        "\x9b",
        "\u2028",
        "\u202e",
        "é",
        "\ud800",
      ),
      maxLength: 3000,
    }),
    fc.anything(),
  ),
);

Deno.test("jsonFormatter: whatever the values, one parseable line below its limit", () => {
  fc.assert(
    fc.property(anyProperties, fc.string({ maxLength: 3000 }), (properties, message) => {
      const line = json(record(properties, message));
      JSON.parse(line);
      assert.ok(octets(line) < LINE_OCTETS, `${octets(line)}`);
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]/);
    }),
    { examples: [[{ event: [{ toString: 0 }] }, ""]] },
  );
});

Deno.test("prettyFormatter: whatever the values, one line below its limit", () => {
  fc.assert(fc.property(anyProperties, fc.string({ maxLength: 3000 }), (properties, message) => {
    const line = pretty(record(properties, message));
    assert.ok(octets(line) < LINE_OCTETS, `${octets(line)}`);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]/);
  }));
});

Deno.test("prettyFormatter: reads well", () => {
  assert.equal(
    pretty(record({ event: "delivered", queue_id: "Q", reply: "250 fine", n: 1 }, 'it is "done"')),
    '03:04:05.678 INFO    delivery: it is "done" queue_id=Q reply="250 fine" n=1',
  );
  const colored = prettyFormatter({ color: true })(record({}));
  assert.equal(colored, "03:04:05.678 \x1b[32mINFO   \x1b[0m delivery: said");
});
