import assert from "node:assert/strict";
import type { Check, Severity, Verdict } from "./finding.ts";
import { levelOf } from "./finding.ts";
import { expectedRecords } from "./records.ts";
import { type Report, reportJson, reportText, zoneText } from "./report.ts";

const RECORDS = expectedRecords({
  domain: "xn--bcher-kva.example",
  hostname: "mx.example.org",
  addresses: ["192.0.2.25", "2001:db8::25"],
  keys: [{ selector: "s1", algorithm: "rsa-sha256", publicKey: "k".repeat(300), state: "active" }],
  ports: { submission: 587, smtps: 465 },
  policyId: "20261119",
});

function check(subject: string, verdict: Verdict, severity: Severity = "required"): Check {
  const mend = verdict === "right" ? null : "mend it";
  return { group: "dns", subject, severity, verdict, reason: `is ${verdict}`, mend };
}

function report(...checks: Check[]): Report {
  return { domain: "xn--bcher-kva.example", records: RECORDS, checks };
}

Deno.test("reportText: a line for each check, what to do below it, the sum at the end", () => {
  const checks = [check("MX", "wrong"), check("SPF", "right"), check("DMARC", "warn")];
  const text = reportText(report(...checks, { ...checks[1], group: "system", subject: "clock" }), {
    isColoured: false,
  });
  assert.ok(text.startsWith([
    "Mail for bücher.example (xn--bcher-kva.example)",
    "",
    "DNS",
    "  FAIL  MX     is wrong",
    "               -> mend it",
    "  ok    SPF    is right",
    "  warn  DMARC  is warn",
    "               -> mend it",
    "",
    "Stores and clock",
    "  ok    clock  is right",
    "",
    "; Records to publish",
  ].join("\n")));
  const sum = "2 ok, 1 warn, 1 FAIL, 0 optional or not checked: mail for bücher.example needs";
  assert.ok(text.includes(sum));
});

Deno.test("reportText: green, yellow, red and grey only where asked for", () => {
  const all = report(
    check("a", "right"),
    check("b", "warn"),
    check("c", "wrong"),
    check("d", "missing", "optional"),
  );
  const coloured = reportText(all, { isColoured: true });
  for (
    const word of ["\x1b[32mok  \x1b[0m  a", "\x1b[33mwarn\x1b[0m  b", "\x1b[31mFAIL\x1b[0m  c"]
  ) {
    assert.ok(coloured.includes(word), word);
  }
  assert.ok(coloured.includes("\x1b[90m-   \x1b[0m  d"));
  // deno-lint-ignore no-control-regex
  const plain = coloured.replace(/\x1b\[\d+m/g, "");
  assert.equal(reportText(all, { isColoured: false }), plain);
});

Deno.test("reportText: what stands in somebody's DNS does not steer the terminal", () => {
  const evil = { ...check("MX", "wrong"), reason: "leads to \x1b[2J\u009b1m\r\nok" };
  const text = reportText(report(evil), { isColoured: false });
  assert.ok(text.includes("leads to ?[2J?1m??ok"));
});

Deno.test("zoneText: records of the zone as they are, those of others as comments", () => {
  const lines = zoneText(RECORDS).split("\n");
  const record = (start: string) =>
    lines.find((line) => line.startsWith(start))?.replace(/ {2,}/g, " ");
  const domain = "xn--bcher-kva.example.";
  assert.equal(record("mx.example.org."), "mx.example.org. 3600 IN A 192.0.2.25");
  assert.equal(record(domain), `${domain} 3600 IN MX 10 mx.example.org.`);
  assert.equal(
    record("_submissions."),
    `_submissions._tcp.${domain} 3600 IN SRV 0 1 465 mx.example.org.`,
  );
  assert.equal(record("autoconfig."), `autoconfig.${domain} 3600 IN CNAME mx.example.org.`);
  assert.equal(
    record("; 25.2.0.192"),
    "; 25.2.0.192.in-addr.arpa. 3600 IN PTR mx.example.org.",
  );
  // RFC 1035 §3.3: a character-string has at most 255 octets.
  const strings = record("s1._domainkey")?.match(/"[^"]*"/g) ?? [];
  assert.equal(strings.length, 2);
  assert.ok(strings.every((string) => string.length <= 257));
  const unknown = expectedRecords({
    domain: "a.example",
    hostname: "mx.a.example",
    addresses: [],
    keys: [],
    ports: { submission: 0, smtps: 0 },
    policyId: "1",
  });
  assert.match(zoneText(unknown), /^; mx\.a\.example\. .* A +<public address of this server>$/m);
});

Deno.test("reportJson: healthy unless something needed fails", () => {
  const json = (...checks: Check[]) => reportJson(report(...checks)) as Record<string, unknown>;
  const ill = json(check("MX", "missing"), check("SRV", "missing", "optional"));
  assert.equal(ill.healthy, false);
  assert.deepEqual(ill.counts, { ok: 0, note: 1, warn: 0, fail: 1 });
  assert.equal(json(check("MX", "right"), check("DMARC", "missing", "recommended")).healthy, true);
});

Deno.test("levelOf: what is wrong is worse than what is missing where it is only recommended", () => {
  const level = (verdict: Verdict, severity: Severity) => levelOf({ verdict, severity });
  for (
    const [verdict, levels] of [
      ["right", ["ok", "ok", "ok"]],
      ["warn", ["warn", "warn", "warn"]],
      ["missing", ["fail", "warn", "note"]],
      ["wrong", ["fail", "fail", "warn"]],
      ["duplicated", ["fail", "fail", "warn"]],
      ["unreachable", ["fail", "warn", "warn"]],
      ["not_checked", ["note", "note", "note"]],
    ] as const
  ) {
    const severities = ["required", "recommended", "optional"] as const;
    assert.deepEqual(severities.map((severity) => level(verdict, severity)), levels, verdict);
  }
  assert.equal(levelOf({ verdict: "duplicated", severity: "required", isMinor: true }), "warn");
});
