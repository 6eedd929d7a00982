import assert from "node:assert/strict";
import { assertConforms, ZONE_DATA } from "./testdata/conformance.ts";
import { ZoneResolver } from "./zone_resolver.ts";

Deno.test("ZoneResolver: conforms", () => assertConforms(new ZoneResolver(ZONE_DATA)));

Deno.test("ZoneResolver: fails for a name or for a type of it, through a CNAME too", async () => {
  const resolver = new ZoneResolver({
    "slow.example": { fails: "timeout" },
    "half.example": { a: ["192.0.2.1"], aaaa: "servfail" },
    "alias.example": { cname: "slow.example" },
  });
  const timeout = { kind: "tempfail", reason: "timeout" };
  assert.deepEqual(await resolver.a("slow.example"), timeout);
  assert.deepEqual(await resolver.cname("slow.example"), timeout);
  assert.deepEqual(await resolver.mx("alias.example"), timeout);
  assert.equal((await resolver.a("half.example")).kind, "found");
  assert.deepEqual(await resolver.aaaa("half.example"), { kind: "tempfail", reason: "servfail" });
});

Deno.test("ZoneResolver: a chain is authenticated if all of it is", async () => {
  const resolver = new ZoneResolver({
    "signed.example": { a: ["192.0.2.1"], authenticated: true },
    "alias.example": { cname: "signed.example" },
  });
  const [signed, alias] = await Promise.all([
    resolver.a("signed.example"),
    resolver.a("alias.example"),
  ]);
  assert.equal(signed.kind === "found" && signed.authenticated, true);
  assert.equal(alias.kind === "found" && alias.authenticated, false);
});
