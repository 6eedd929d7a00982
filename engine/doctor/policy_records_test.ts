import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import { parseDmarc, parseMtaSts, parseTlsReporting } from "./policy_records.ts";

interface Vector {
  readonly input: string;
  readonly valid: boolean;
}

async function readVectors(): Promise<Readonly<Record<string, readonly Vector[]>> | null> {
  try {
    const url = new URL("../../../shared/data/parse-vectors.json", import.meta.url);
    return JSON.parse(await Deno.readTextFile(url));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.warn("parse-vectors.json is not there: the tests with it are left out");
    return null;
  }
}

const vectors = await readVectors();

Deno.test({
  name: "parseDmarc, parseMtaSts, parseTlsReporting: agree with other people's vectors",
  ignore: vectors === null,
  fn() {
    const suites = [
      { name: "dmarc-record", parse: parseDmarc },
      { name: "mta-sts-record", parse: parseMtaSts },
      { name: "tlsrpt-record", parse: parseTlsReporting },
    ];
    const differing = suites.flatMap(({ name, parse }) =>
      (vectors?.[name] ?? [])
        .filter(({ input, valid }) => (parse(input).kind !== "fault") !== valid)
        .map(({ input }) => input)
    );
    // RFC 9989 §4.8 lets p= stand anywhere behind v=; the vector is of the order of RFC 7489.
    assert.deepEqual(differing, ["v=DMARC1; sp=reject; p=reject"]);
  },
});

Deno.test("parseDmarc: what receivers overlook is told, not refused (RFC 9989 §4.8)", () => {
  const oddities = (text: string) => {
    const record = parseDmarc(text);
    return record.kind === "fault" ? record.reason : record.oddities.join("; ");
  };
  assert.equal(oddities("v=DMARC1; p=reject"), "");
  assert.equal(oddities("v=DMARC1;p=REJECT;rua=mailto:a@b.example!10m,mailto:c@d.example;"), "");
  assert.match(oddities("v=DMARC1; p=reject; adkim=x"), /adkim=x means nothing/);
  assert.match(oddities("v=DMARC1; p=reject; pct=50"), /pct= is not used any more/);
  assert.match(oddities("v=DMARC1; p=reject; rua=bogus"), /rua= holds something/);
  assert.match(oddities("v=DMARC1; rua=mailto:a@b.example"), /p= is missing, which .* p=none/);
  assert.match(oddities("v=DMARC1; p=reject; p=none"), /p= is there twice/);
  assert.match(oddities("v=dmarc1; p=reject"), /does not begin/);
});

Deno.test("parseDmarc, parseMtaSts, parseTlsReporting: no text makes them throw", () => {
  const part = fc.constantFrom(
    "v=DMARC1",
    "v=STSv1",
    "v=TLSRPTv1",
    ";",
    "=",
    "p",
    "id",
    "rua",
    " ",
  );
  const text = fc.array(fc.oneof(part, anyText())).map((all) => all.join(""));
  fc.assert(fc.property(text, (input) => {
    for (const parse of [parseDmarc, parseMtaSts, parseTlsReporting]) {
      const record = parse(input);
      if (record.kind === "fault") assert.notEqual(record.reason, "");
    }
  }));
});
