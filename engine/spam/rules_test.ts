import assert from "node:assert/strict";
import { parseRules } from "./rules.ts";
import { SIGNALS } from "./signal_names.ts";

const shipped = await Deno.readTextFile(new URL("../../config/spam_rules.json", import.meta.url));

function mistakes(file: unknown): readonly string[] {
  const parsed = parseRules(typeof file === "string" ? file : JSON.stringify(file));
  return parsed.kind === "mistakes" ? parsed.mistakes : [];
}

const RULE = { name: "SPF_FAIL", looksAt: "authentication", points: 2, text: "a", weight: "b" };

Deno.test("parseRules: the file that comes along is right, and weighs every signal", () => {
  const parsed = parseRules(shipped);
  assert.ok(parsed.kind === "rules", mistakes(shipped).join("\n"));
  const names: readonly string[] = Object.values(SIGNALS).flat();
  assert.deepEqual(names.filter((name) => !parsed.rules.byName.has(name)), []);
  assert.equal(parsed.rules.byName.get("GTUBE")?.points, 1_000);
});

Deno.test("parseRules: says what is wrong with a rule, by its name", () => {
  const of = (fields: Record<string, unknown>) => mistakes({ rules: [{ ...RULE, ...fields }] });
  assert.deepEqual(of({}), []);
  assert.match(of({ name: "NO_SUCH" })[0], /^NO_SUCH: no such signal/);
  assert.match(of({ name: "spf" })[0], /capitals/);
  assert.match(of({ looksAt: "html" })[0], /SPF_FAIL: looks at authentication/);
  assert.match(of({ points: "2" })[0], /"points"/);
  assert.match(of({ points: 1e9 })[0], /"points"/);
  assert.match(of({ text: "" })[0], /"text"/);
  assert.match(of({ weight: "x".repeat(201) })[0], /"weight"/);
  assert.match(of({ colour: 1 })[0], /"colour" is not known/);
  assert.match(mistakes({ rules: [RULE, RULE] })[0], /twice/);
});

Deno.test("parseRules: a rule of phrases needs no code, but phrases", () => {
  const rule = { ...RULE, name: "OWN_WORDS", looksAt: "phrases", phrases: ["a b", "c"], needs: 2 };
  const parsed = parseRules(JSON.stringify({ rules: [rule] }));
  assert.ok(parsed.kind === "rules");
  assert.ok(parsed.rules.phrases.findIn("A b, c").has("OWN_WORDS"));
  assert.match(mistakes({ rules: [{ ...rule, needs: 3 }] })[0], /"needs"/);
  assert.match(mistakes({ rules: [{ ...rule, phrases: ["!!", "c"] }] })[0], /no words/);
  assert.match(mistakes({ rules: [{ ...rule, phrases: "c" }] })[0], /list of texts/);
});

Deno.test("parseRules: anything else is a mistake and no exception", () => {
  assert.match(mistakes("{")[0], /no JSON/);
  for (const file of [null, [], 7, {}, { rules: {} }, { rules: [null] }]) {
    assert.notDeepEqual(mistakes(file), [], JSON.stringify(file));
  }
  assert.match(mistakes({ rules: [], freemail: [] })[0], /"freemail" is not known/);
  assert.ok(mistakes({ rules: Array.from({ length: 99 }, () => 1) }).length <= 20);
});
