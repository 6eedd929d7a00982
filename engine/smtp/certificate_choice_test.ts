import assert from "node:assert/strict";
import { type NamedCertificate, pickCertificate } from "./certificate_choice.ts";

function certificate(label: string, names: string[], notAfterMs = 1_000): NamedCertificate {
  return { cert: label, key: "", names, notAfterMs };
}

const SET = {
  fallback: { cert: "fallback", key: "" },
  named: [
    certificate("wildcard", ["*.example.org"]),
    certificate("exact", ["mx.example.org", "example.net"]),
    certificate("renewed", ["example.net"], 2_000),
    certificate("over", ["old.test"], 10),
    certificate("punycode", ["xn--bcher-kva.example"]),
  ],
};

Deno.test("pickCertificate: exact before wildcard, the longest before others, none that is over", () => {
  const picks: [string, string | null][] = [
    ["mx.example.org", "exact"],
    ["MX.EXAMPLE.ORG", "exact"],
    ["smtp.example.org", "wildcard"],
    ["a.b.example.org", null],
    ["example.org", null],
    ["example.net", "renewed"],
    ["old.test", null],
    ["bücher.example", "punycode"],
    ["", null],
    ["..", null],
    ["localhost", null],
  ];
  for (const [name, expected] of picks) {
    assert.equal(pickCertificate(SET, name, 500)?.cert ?? null, expected, name);
  }
});
