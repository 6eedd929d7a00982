import assert from "node:assert/strict";
import { generatePassword, hashPassword, verifyPassword } from "./password.ts";

Deno.test("hashPassword: only the same password verifies", async () => {
  const encoded = await hashPassword("correct horse");
  assert.match(encoded, /^\$scrypt\$ln=14,r=8,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  assert.equal(await verifyPassword("correct horse", encoded), true);
  assert.equal(await verifyPassword("correct horsf", encoded), false);
  assert.notEqual(await hashPassword("correct horse"), encoded);
});

Deno.test("verifyPassword: RFC 7914 §12 vector, parameters taken from the hash", async () => {
  const hash = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2";
  const text = (octets: string) => btoa(octets).replace(/=+$/, "");
  const octets = hash.match(/../g)!.map((pair) => String.fromCharCode(parseInt(pair, 16))).join("");
  const encoded = `$scrypt$ln=14,r=8,p=1$${text("SodiumChloride")}$${text(octets)}`;
  assert.equal(await verifyPassword("pleaseletmein", encoded), true);
});

Deno.test("verifyPassword: one password has one form, however it was typed", async () => {
  const encoded = await hashPassword("caf\u00e9");
  assert.equal(await verifyPassword("cafe\u0301", encoded), true);
});

Deno.test("verifyPassword: nobody's hash, nonsense and excess are false", async () => {
  assert.equal(await verifyPassword("x", null), false);
  const encoded = await hashPassword("x");
  for (const broken of ["", "x", encoded.slice(0, -1), encoded.replace("ln=14", "ln=40")]) {
    assert.equal(await verifyPassword("x", broken), false, broken);
  }
  assert.equal(await verifyPassword("x".repeat(1025), await hashPassword("x".repeat(1025))), false);
});

Deno.test("generatePassword: 20 characters from all of the alphabet", () => {
  const seen = new Set(Array.from({ length: 200 }, () => generatePassword()).join(""));
  assert.equal(seen.size, 56);
  assert.equal(generatePassword(() => 0), "a".repeat(20));
});
