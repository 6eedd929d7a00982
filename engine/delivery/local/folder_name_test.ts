import assert from "node:assert/strict";
import { folderSegment, modifiedUtf7 } from "./folder_name.ts";

Deno.test("modifiedUtf7: as RFC 3501 §5.1.3 has it", () => {
  const names: [string, string][] = [
    ["Junk", "Junk"],
    ["Junk & more", "Junk &- more"],
    ["台北", "&U,BTFw-"],
    ["日本語 x", "&ZeVnLIqe- x"],
    ["Спам", "&BCEEPwQwBDw-"],
    ["Späm", "Sp&AOQ-m"],
    ["\u{1f5d1}", "&2D3d0Q-"],
  ];
  for (const [name, encoded] of names) {
    assert.equal(modifiedUtf7(name), encoded);
    assert.equal(folderSegment(name), `.${encoded}`);
  }
});
