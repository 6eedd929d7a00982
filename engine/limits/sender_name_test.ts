import assert from "node:assert/strict";
import fc from "fast-check";
import { senderName } from "./sender_name.ts";

Deno.test("senderName: what changes from message to message is left out", () => {
  const names: Readonly<Record<string, string>> = {
    "Ann@Example.ORG": "ann@example.org",
    "": "",
    "postmaster": "postmaster",
    // BATV and its likes.
    "prvs=0123456789=ann@example.org": "ann@example.org",
    "prvs=ann/0123456789@example.org": "ann@example.org",
    "msprvs1=17920kQbPJBgw=bounces-266189@example.org": "bounces-#@example.org",
    "btv1==1234567890a==ann@example.org": "ann@example.org",
    "prvs=ann@example.org": "prvs=ann@example.org",
    // SRS: hash and day change, the sender inside does not.
    "SRS0=AbC1=XY=example.com=ann@fwd.example": "srs=example.com=ann@fwd.example",
    "srs0+zZ9-=AA=example.com=ann@fwd.example": "srs=example.com=ann@fwd.example",
    "SRS1=aaaa=fwd.example==HHHH=TT=example.com=ann@two.example":
      "srs=fwd.example=example.com=ann@two.example",
    "SRS1=aaaa=fwd@two.example": "#=aaaa=fwd@two.example",
    "srs0smith@example.org": "#@example.org",
    // VERP and counting.
    "news+bob=example.net@lists.example": "news@lists.example",
    "bounce-123-456@lists.example": "bounce-#-#@lists.example",
    "0100018f3b2c-4d5e-9000-000000@mail.example": "#-#-#-#@mail.example",
    "ann.b@example.org": "ann.b@example.org",
    "+@example.org": "+@example.org",
    '"a@b"@example.org': '"a@b"@example.org',
  };
  assert.deepEqual(
    Object.fromEntries(Object.keys(names).map((path) => [path, senderName(path)])),
    names,
  );
});

Deno.test("senderName: no text throws, and none takes long", () => {
  const parts = fc.constantFrom("prvs", "srs0", "SRS1", "btv1", "=", "/", "+", "-", "@", "a", "1");
  const path = fc.oneof(fc.string(), fc.array(parts, { maxLength: 30 }).map((all) => all.join("")));
  fc.assert(fc.property(path, (path) => {
    const name = senderName(path);
    assert.equal(name, name.toLowerCase());
  }));
  const startMs = performance.now();
  for (const part of ["btv1==", "prvs=", "srs0=", "srs1==", "a-1", "=", "@", "1"]) {
    senderName(part.repeat(50_000) + "@example.org");
  }
  assert.ok(performance.now() - startMs < 2_000, `${performance.now() - startMs} ms`);
});
