import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { decodeBase64, decodeQuotedPrintable, decodeTransfer } from "./transfer_decoding.ts";

const ALL = { maxOctets: 1_000_000 };

function base64(text: string, maxOctets = 1_000) {
  const { octets, ...rest } = decodeBase64(Buffer.from(text, "latin1"), { maxOctets });
  return { text: Buffer.from(octets).toString("latin1"), ...rest };
}

function quotedPrintable(text: string, maxOctets = 1_000) {
  const { octets, ...rest } = decodeQuotedPrintable(Buffer.from(text, "latin1"), { maxOctets });
  return { text: Buffer.from(octets).toString("latin1"), ...rest };
}

Deno.test("decodeBase64: undoes what encoders make, whatever the line length (RFC 2045 §6.8)", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 1, max: 80 }),
      (octets, width) => {
        const lines = Buffer.from(octets).toString("base64").replace(
          new RegExp(`.{${width}}`, "g"),
          "$&\r\n",
        );
        const decoded = decodeBase64(Buffer.from(lines), ALL);
        assert.deepEqual(decoded, { octets, defect: null, isCut: false });
      },
    ),
  );
});

Deno.test("decodeBase64: goes on over junk, missing and early padding, and says so", () => {
  const bad = { defect: "bad_base64", isCut: false };
  assert.deepEqual(base64("QU!J*D"), { text: "ABC", ...bad });
  assert.deepEqual(base64("QUI"), { text: "AB", ...bad });
  assert.deepEqual(base64("Q"), { text: "", ...bad });
  assert.deepEqual(base64("QQ==QUJD"), { text: "AABC", ...bad });
  assert.deepEqual(base64("Q==="), { text: "", ...bad });
  assert.deepEqual(base64("QQ=="), { text: "A", defect: null, isCut: false });
  assert.deepEqual(base64(""), { text: "", defect: null, isCut: false });
});

Deno.test("decodeBase64: stops at its bound and says whether anything is left", () => {
  assert.deepEqual(base64("QUJDREVG", 4), { text: "ABCD", defect: null, isCut: true });
  assert.deepEqual(base64("QUI=\r\n", 2), { text: "AB", defect: null, isCut: false });
  const { octets } = decodeBase64(Buffer.from("!".repeat(100) + "QUJD"), {
    ...ALL,
    maxEncodedOctets: 50,
  });
  assert.equal(octets.length, 0);
});

Deno.test("decodeQuotedPrintable: undoes escapes and soft breaks, drops padding (RFC 2045 §6.7)", () => {
  const text = (encoded: string) => quotedPrintable(encoded).text;
  assert.equal(text("Gr=FC=c3 a=\r\nb=\nc = \r\nd"), "Gr\xfc\xc3 abc d");
  assert.equal(text("padded \t \r\nkept  in line\r\n"), "padded\nkept  in line\n");
  assert.equal(text("kept=20\r\n"), "kept \n");
  assert.equal(text("at the end="), "at the end");
  assert.equal(quotedPrintable("Gr=FC=\r\n").defect, null);
});

Deno.test("decodeQuotedPrintable: keeps an equals sign that begins nothing, and says so", () => {
  assert.deepEqual(quotedPrintable("1=2=4"), {
    text: "1=2=4",
    defect: "bad_quoted_printable",
    isCut: false,
  });
  assert.deepEqual(quotedPrintable("a=XYb"), {
    text: "a=XYb",
    defect: "bad_quoted_printable",
    isCut: false,
  });
  assert.deepEqual(quotedPrintable("abcd", 2), { text: "ab", defect: null, isCut: true });
});

Deno.test("decodeTransfer: leaves what is not encoded, and what it does not know", () => {
  const body = Buffer.from("QUJD");
  for (const encoding of ["7bit", "8bit", "binary"]) {
    assert.deepEqual(decodeTransfer(body, { ...ALL, encoding }), {
      octets: body,
      defect: null,
      isCut: false,
    });
  }
  const { octets, defect } = decodeTransfer(body, { ...ALL, encoding: "x-uuencode" });
  assert.deepEqual([octets, defect], [body, "unknown_transfer_encoding"]);
});

Deno.test("decodeTransfer: any octets give at most what was asked for", () => {
  const encodings = fc.constantFrom("base64", "quoted-printable", "7bit", "x");
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      encodings,
      fc.nat(100),
      (body, encoding, max) => {
        const { octets } = decodeTransfer(body, { encoding, maxOctets: max });
        const whole = decodeTransfer(body, { encoding, ...ALL }).octets;
        assert.ok(octets.length <= max);
        // White space that a later line end takes away is all that a bound can add.
        const kept = Buffer.from(octets).toString("latin1").replace(/[ \t]+$/, "");
        assert.ok(Buffer.from(whole).toString("latin1").startsWith(kept));
      },
    ),
  );
});
