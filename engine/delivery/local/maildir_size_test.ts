import assert from "node:assert/strict";
import { formatChange, formatSizeFile, parseSizeFile, sizeInName } from "./maildir_size.ts";

Deno.test("parseSizeFile: adds up what formatSizeFile and formatChange write", () => {
  const text = formatSizeFile(1_000, { octets: 300, messages: 2 }) +
    formatChange({ octets: 50, messages: 1 }) + formatChange({ octets: -100, messages: -1 });
  assert.equal(text, "1000S\n300 2\n50 1\n-100 -1\n");
  assert.equal(parseSizeFile(text, 1_000), 250);
  // As other programs write it, with spaces to line up.
  assert.equal(parseSizeFile("1000S\n         300            2\n", 1_000), 300);
});

Deno.test("parseSizeFile: another limit, nonsense and a long file are none", () => {
  for (const text of ["", "2000S\n1 1\n", "1000C\n", "1000S\nx\n", "1000S\n1\n"]) {
    assert.equal(parseSizeFile(text, 1_000), null, text);
  }
  assert.equal(parseSizeFile(`1000S\n${"1 1\n".repeat(2_000)}`, 1_000), null);
});

Deno.test("sizeInName: as Maildir readers put it", () => {
  assert.equal(sizeInName("1.x.host,S=123"), 123);
  assert.equal(sizeInName("1.x.host,S=123,W=130:2,S"), 123);
  assert.equal(sizeInName("1.x.host:2,S"), null);
});
