import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import { forwardingPath, takeBack } from "./srs.ts";

const VECTORS = new URL("../../../shared/data/srs-vectors.json", import.meta.url);
const DAY_MS = 24 * 3600 * 1000;
const secret = Buffer.from("a secret of this server alone");
const nowMs = Date.UTC(2026, 0, 2);
const options = { secret, nowMs, domain: "forwarder.test" };

function localPartOf(path: string): string {
  return path.slice(0, path.lastIndexOf("@"));
}

Deno.test("forwardingPath: bounces to it find the sender for three weeks", () => {
  const path = forwardingPath("ann@example.org", options)!;
  assert.match(path, /^SRS0=[A-Za-z0-9_-]{4}=[A-Z2-7]{2}=example\.org=ann@forwarder\.test$/);
  const localPart = localPartOf(path);
  for (const [afterMs, sender] of [[0, true], [20 * DAY_MS, true], [22 * DAY_MS, false]] as const) {
    const found = takeBack(localPart, { secret, nowMs: nowMs + afterMs });
    assert.equal(found, sender ? "ann@example.org" : null);
  }
  assert.equal(takeBack(localPart.toLowerCase(), options), "ann@example.org");
  assert.equal(takeBack(localPart, { secret: Buffer.from("another"), nowMs }), null);
  assert.equal(takeBack(localPart.replace("=ann", "=eve"), options), null);
});

Deno.test("forwardingPath: signs as postsrsd does", () => {
  const path = forwardingPath("test@otherdomain.com", {
    secret: Buffer.from("tops3cr3t"),
    nowMs: Date.UTC(2019, 11, 31),
    domain: "example.com",
  });
  assert.equal(path, "SRS0=XjO9=2V=otherdomain.com=test@example.com");
});

Deno.test("forwardingPath: the null reverse-path stays, what is too long has none", () => {
  assert.equal(forwardingPath("", options), "");
  assert.equal(forwardingPath(`${"a".repeat(230)}@example.org`, options), null);
});

Deno.test("forwardingPath: forwarders in a row keep the first one's name", () => {
  const first = forwardingPath("ann@example.org", options)!;
  const theirs = { secret: Buffer.from("theirs"), nowMs, domain: "second.test" };
  const second = forwardingPath(first, theirs)!;
  assert.match(second, /^SRS1=[^=]+=forwarder\.test==[^=]+=[^=]+=example\.org=ann@second\.test$/);
  const third = forwardingPath(second, { ...theirs, domain: "third.test" })!;
  assert.match(third, /^SRS1=[^=]+=forwarder\.test==.*@third\.test$/);
  assert.equal(takeBack(localPartOf(third), theirs), first);
  assert.equal(takeBack(localPartOf(second), theirs), first);
  assert.equal(takeBack(localPartOf(second), options), null);
});

Deno.test("takeBack: what nobody signed is nobody's, and nothing throws", () => {
  fc.assert(fc.property(anyText(), (text) => {
    assert.equal(takeBack(`SRS0=${text}`, options), null);
    assert.equal(takeBack(`SRS1=${text}`, options), null);
    assert.equal(takeBack(text, options), null);
    forwardingPath(text, options);
  }));
});

Deno.test("forwardingPath, takeBack: any sender comes back", () => {
  const word = fc.stringMatching(/^[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}$/);
  fc.assert(fc.property(word, (localPart) => {
    const sender = `${localPart}@example.org`;
    const path = forwardingPath(sender, options)!;
    if (!/^srs[01][=+-]/i.test(localPart)) {
      assert.equal(takeBack(localPartOf(path).replace(/^"(.*)"$/, "$1"), options), sender);
    }
  }));
});

Deno.test({
  name: "takeBack: agrees with postsrsd and libsrs2",
  ignore: !existsSync(VECTORS),
  fn() {
    const vectors: {
      readonly op: string;
      readonly input: string;
      readonly expect: string;
      readonly secret: string;
      readonly now: number;
      readonly srs_domain?: string;
    }[] = JSON.parse(readFileSync(VECTORS, "utf8"));
    let compared = 0;
    for (const { op, input, expect, secret, now, srs_domain: domain } of vectors) {
      if (domain === undefined || !input.includes("@") || /local domain|database/.test(expect)) {
        continue;
      }
      const options = { secret: Buffer.from(secret), nowMs: now * 1000, domain };
      const expected = expect.startsWith("OK ") ? expect.slice(3) : null;
      if (expected !== null && expected.length > 254) continue;
      const found = op === "reverse"
        ? takeBack(localPartOf(input), options)
        : forwardingPath(input, options);
      // Domains are kept in lower case here.
      assert.equal(found?.toLowerCase() ?? null, expected?.toLowerCase() ?? null, input);
      compared++;
    }
    assert.ok(compared >= 8);
  },
});
