import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import { type Draft, GTUBE_LINE, mailFacts } from "./testdata/mail.ts";
import { localDomains, RULES } from "./testdata/rules.ts";
import { scoreMail } from "./score.ts";

function score(draft: Draft = {}, probability: number | null = null, learnt = 1_000) {
  const messages = { ham: 5_000, spam: learnt };
  const bayes = probability === null ? null : { probability, evidence: 20, messages };
  return scoreMail(mailFacts(draft), { rules: RULES, bayes, localDomains });
}

Deno.test("scoreMail: points are the sum of the signals, the weightiest first", () => {
  const { points, signals } = score({ fields: { Date: null, Subject: "WIN A PRIZE NOW" } }, 0.99);
  const sum = signals.reduce((sum, signal) => sum + signal.points, 0);
  assert.ok(Math.abs(points - sum) < 1e-9);
  assert.equal(signals[0].name, "BAYES_SPAM");
  const weights = signals.map((signal) => Math.abs(signal.points));
  assert.deepEqual(weights, weights.toSorted((a, b) => b - a));
  assert.ok(signals.every(({ text }) => text.length > 10));
});

Deno.test("scoreMail: nothing speaks against an ordinary message", () => {
  const { signals } = score();
  assert.deepEqual(signals.filter(({ points }) => points > 0), []);
});

Deno.test("scoreMail: learnt words count by how sure they are, and not at all in the middle", () => {
  const points = (probability: number) => score({}, probability).points - score().points;
  assert.ok(points(1) > 5);
  assert.ok(points(0.9) < points(1) && points(0.9) > points(0.6));
  assert.equal(points(0.5), 0);
  assert.ok(points(0) < 0);
});

Deno.test("scoreMail: what was learnt from few messages counts little", () => {
  const points = (learnt: number) => score({}, 1, learnt).points - score().points;
  assert.ok(points(60) < 1);
  assert.ok(points(300) > points(60) && points(300) < points(600));
  assert.equal(points(600), points(60_000));
});

Deno.test("scoreMail: reputation counts by how much of it there is", () => {
  const points = (ham: number, spam: number) =>
    score({ facts: { reputations: [{ subject: "domain:example.net", ham, spam }] } }).points -
    score().points;
  assert.ok(points(0, 100) > points(0, 3));
  assert.ok(points(0, 3) > 0);
  assert.ok(points(100, 0) < 0);
  assert.equal(points(0, 0), 0);
});

Deno.test("scoreMail: the test line for filters is found in text and HTML, a line like it is not", () => {
  assert.ok(score({ body: `Hello\r\n${GTUBE_LINE}\r\n` }).points > 990);
  const html = { "Content-Type": "text/html" };
  assert.ok(score({ fields: html, body: `<p>${GTUBE_LINE}</p>` }).points > 990);
  assert.ok(score({ body: GTUBE_LINE.replace("34X", "34Y") }).points < 5);
});

Deno.test("scoreMail: any message is scored, and what is said of it is printable ASCII", () => {
  const text = anyText({ maxLength: 200 });
  fc.assert(
    fc.property(text, text, text, text, (from, subject, id, body) => {
      const { points, signals } = score({
        fields: {
          From: from.replace(/[\r\n]/g, ""),
          Subject: subject.replace(/[\r\n]/g, ""),
          "Message-ID": id.replace(/[\r\n]/g, ""),
        },
        body,
      });
      assert.ok(Number.isFinite(points));
      for (const signal of signals) assert.match(signal.text, /^[\x20-\x7e]+$/);
    }),
    { numRuns: 200 },
  );
});

Deno.test("scoreMail: hostile texts take no more time than their length asks for", () => {
  const bodies = [
    "http://" + "a.".repeat(20_000),
    "1".repeat(40_000),
    "8 8 8 8-".repeat(5_000),
    "$1,111".repeat(8_000),
    "bc1".repeat(15_000),
    "= =? ".repeat(9_000),
    " ".repeat(40_000) + "x",
    "<a href=x>".repeat(4_000),
    "a@".repeat(20_000),
  ];
  const startedMs = performance.now();
  for (const body of bodies) {
    for (const type of ["text/plain", "text/html"]) {
      score({
        fields: { "Content-Type": type, Subject: body.slice(0, 900), From: body.slice(0, 900) },
        body,
      });
    }
  }
  assert.ok(performance.now() - startedMs < 3_000);
});
