import assert from "node:assert/strict";
import { type AuthPolicy, decideAuthentication } from "./auth_policy.ts";
import type { ArcResult, Authentication, DmarcResult, SpfResult } from "./results.ts";

const POLICY: AuthPolicy = {
  dmarc: "enforce",
  temperror: "defer",
  spfFail: "reject",
  trustedSealers: new Set(["list.test", "hop.test"]),
  exemptDomains: new Set(["friend.test"]),
};

interface Facts {
  readonly spf?: SpfResult["verdict"];
  readonly explanation?: string;
  readonly dmarc?: Partial<DmarcResult>;
  readonly arc?: Partial<ArcResult>;
  readonly policy?: Partial<AuthPolicy>;
}

function decide({ spf = "none", explanation, dmarc = {}, arc = {}, policy = {} }: Facts) {
  const mfrom: SpfResult = {
    ...{ verdict: spf, scope: "mfrom", domain: "a.test", sender: "ann@a.test" },
    ...{ explanation: explanation ?? null, reason: null },
  };
  const authentication: Authentication = {
    helo: { ...mfrom, scope: "helo", domain: "mx.a.test" },
    mfrom,
    dkim: [],
    arc: { verdict: "none", sealers: [], firstResults: null, reason: null, ...arc },
    dmarc: {
      ...{ verdict: "none", fromDomain: "a.test", policyDomain: "", policy: null },
      ...{ isTesting: false, isSpfAligned: false, isDkimAligned: false, reportTo: [] },
      ...{ record: null, reason: null },
      ...dmarc,
    },
  };
  const decision = decideAuthentication(authentication, { ...POLICY, ...policy });
  assert.match(decision.explanation, /^[ -~]+$/);
  const reply = "reply" in decision
    ? ` ${decision.reply.code} ${decision.reply.enhancedStatus}`
    : "";
  return `${decision.kind} ${decision.rule}${reply}`;
}

const failed = (policy: DmarcResult["policy"], more: Partial<DmarcResult> = {}) =>
  ({ verdict: "fail", policy, policyDomain: "a.test", ...more }) as const;

Deno.test("decideAuthentication: does what the domain asks for, and no more than we do", () => {
  const cases: [DmarcResult["policy"], boolean, AuthPolicy["dmarc"], string][] = [
    ["reject", false, "enforce", "reject dmarc_fail 550 5.7.26"],
    ["reject", false, "quarantine", "quarantine dmarc_fail"],
    ["reject", false, "none", "accept dmarc_not_enforced"],
    ["quarantine", false, "enforce", "quarantine dmarc_fail"],
    ["none", false, "enforce", "accept dmarc_not_enforced"],
    // RFC 9989 §4.7: t=y is one step less.
    ["reject", true, "enforce", "quarantine dmarc_fail"],
    ["quarantine", true, "enforce", "accept dmarc_not_enforced"],
  ];
  for (const [asked, isTesting, dmarc, expected] of cases) {
    const found = decide({ dmarc: failed(asked, { isTesting }), policy: { dmarc } });
    assert.equal(found, expected, `${asked} ${isTesting} ${dmarc}`);
  }
  assert.equal(
    decide({ dmarc: { verdict: "pass", policy: "reject" }, spf: "fail" }),
    "accept authenticated",
  );
  assert.equal(decide({}), "accept no_policy");
});

Deno.test("decideAuthentication: SPF refuses where DMARC says nothing (RFC 7208 §8.4)", () => {
  assert.equal(decide({ spf: "fail", explanation: "no" }), "reject spf_fail 550 5.7.23");
  assert.equal(decide({ spf: "fail", policy: { spfFail: "score" } }), "accept no_policy");
  for (const spf of ["softfail", "neutral", "permerror", "none"] as const) {
    assert.equal(decide({ spf }), "accept no_policy");
  }
  assert.equal(decide({ spf: "fail", dmarc: failed("none") }), "reject spf_fail 550 5.7.23");
  assert.equal(decide({ spf: "fail", dmarc: failed("reject") }), "reject dmarc_fail 550 5.7.26");
  assert.equal(
    decide({ spf: "fail", dmarc: failed("reject"), policy: { dmarc: "none" } }),
    "reject spf_fail 550 5.7.23",
  );
});

Deno.test("decideAuthentication: what is not known defers only where it matters, and never refuses", () => {
  const open = (policy: DmarcResult["policy"], more = {}) =>
    ({ verdict: "temperror", policy, ...more }) as const;
  assert.equal(decide({ dmarc: open(null) }), "defer dmarc_temperror 451 4.4.3");
  assert.equal(decide({ dmarc: open("reject") }), "defer dmarc_temperror 451 4.4.3");
  assert.equal(
    decide({ dmarc: open("reject"), spf: "temperror" }),
    "defer dmarc_temperror 451 4.7.24",
  );
  assert.equal(decide({ dmarc: open("none") }), "accept dmarc_temperror");
  assert.equal(
    decide({ dmarc: open("quarantine", { isTesting: true }) }),
    "accept dmarc_temperror",
  );
  assert.equal(
    decide({ dmarc: open("reject"), policy: { temperror: "accept" } }),
    "accept dmarc_temperror",
  );
  assert.equal(decide({ dmarc: open(null), policy: { dmarc: "none" } }), "accept dmarc_temperror");
  assert.equal(decide({ spf: "temperror" }), "defer spf_temperror 451 4.7.24");
  assert.equal(decide({ spf: "temperror", policy: { spfFail: "score" } }), "accept no_policy");
  const verdicts = ["pass", "fail", "none", "temperror", "permerror"] as const;
  for (const verdict of verdicts.filter((verdict) => verdict !== "fail")) {
    for (const spf of ["temperror", "none"] as const) {
      assert.doesNotMatch(decide({ spf, dmarc: { verdict, policy: "reject" } }), /reject/);
    }
  }
});

Deno.test("decideAuthentication: exempt domains and those below them are spared", () => {
  for (const fromDomain of ["friend.test", "mail.friend.test"]) {
    assert.equal(decide({ dmarc: failed("reject", { fromDomain }) }), "accept dmarc_exempt");
  }
  assert.match(decide({ dmarc: failed("reject", { fromDomain: "unfriend.test" }) }), /^reject/);
});

Deno.test("decideAuthentication: a chain of trusted sealers that saw a pass is believed (RFC 8617 §7.2)", () => {
  const by = (arc: Partial<ArcResult>) => decide({ dmarc: failed("reject"), arc });
  const firstResults =
    "list.test; spf=pass smtp.mailfrom=a.test; dmarc=pass (p=x) header.from=a.test";
  const good: Partial<ArcResult> = {
    verdict: "pass",
    sealers: ["list.test", "hop.test"],
    firstResults,
  };
  assert.equal(by(good), "accept dmarc_arc");
  const wrong: Partial<ArcResult>[] = [
    { ...good, verdict: "fail" },
    { ...good, sealers: ["list.test", "evil.test"] },
    { ...good, sealers: ["evil.test", "hop.test"] },
    { ...good, sealers: ["sub.list.test"] },
    { ...good, sealers: [] },
    { ...good, firstResults: null },
    { ...good, firstResults: "list.test; dmarc=fail header.from=a.test" },
    { ...good, firstResults: "list.test; dmarc=passed header.from=a.test" },
    { ...good, firstResults: "list.test; dmarc=pass header.from=b.test" },
    { ...good, firstResults: "list.test; dmarc=pass" },
    {
      ...good,
      firstResults: 'list.test; spf=pass smtp.mailfrom="; dmarc=pass header.from=a.test"',
    },
    { ...good, firstResults: "list.test; spf=pass (; dmarc=pass header.from=a.test)" },
    { ...good, firstResults: 'list.test; spf=pass x="\\"; dmarc=pass header.from=a.test"' },
  ];
  for (const arc of wrong) assert.match(by(arc), /^reject/, JSON.stringify(arc));
});

Deno.test("decideAuthentication: two senders in From are a way around DMARC, and refused", () => {
  const dmarc = { verdict: "permerror", fromDomain: "", isAmbiguous: true } as const;
  assert.equal(decide({ dmarc }), "reject from_ambiguous 550 5.7.1");
  assert.equal(decide({ dmarc, policy: { dmarc: "quarantine" } }), "quarantine from_ambiguous");
  assert.equal(decide({ dmarc, policy: { dmarc: "none" } }), "accept no_policy");
  assert.equal(decide({ dmarc: { ...dmarc, isAmbiguous: false } }), "accept no_policy");
});
