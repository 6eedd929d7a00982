/** What the tests of judging share: services that find nothing wrong with anybody, to be overridden. */
import type { Authentication } from "../../auth/results.ts";
import type { SpfResults } from "../../auth/spf.ts";
import type { Hooks } from "../hooks.ts";
import { TarpitPlaces } from "../../limits/tarpit.ts";
import type { InboundPolicy, JudgeServices } from "../services.ts";
import type { JudgedMail, RuleHit } from "../observer.ts";

const SPF_PASS = {
  verdict: "pass",
  domain: "example.net",
  sender: "a@example.net",
  explanation: null,
  reason: null,
} as const;

export const SPF: SpfResults = {
  helo: { ...SPF_PASS, scope: "helo" },
  mfrom: { ...SPF_PASS, scope: "mfrom" },
};

export const AUTHENTICATED: Authentication = {
  ...SPF,
  dkim: [],
  arc: { verdict: "none", sealers: [], firstResults: null, reason: null },
  dmarc: {
    verdict: "pass",
    fromDomain: "example.net",
    policyDomain: "example.net",
    policy: "reject",
    isTesting: false,
    isSpfAligned: true,
    isDkimAligned: false,
    reportTo: [],
    record: null,
    reason: null,
  },
};

export const POLICY: InboundPolicy = {
  hostname: "mx.example.org",
  connection: { listRejectWeight: 8, reverseDns: "score", helo: "score" },
  tarpit: { listWeight: 8, freeRefusals: 2, firstDelayMs: 1_000, maxDelayMs: 10_000 },
  authentication: {
    dmarc: "enforce",
    temperror: "defer",
    spfFail: "score",
    trustedSealers: new Set(),
    exemptDomains: new Set(),
  },
  dmarcQuarantine: "junk",
  spam: { tag: 5, greylist: null, quarantine: 10, reject: 15 },
  greylist: "off",
  holdMs: 1_000,
};

export const NO_HOOKS = {
  has: () => false,
  ask: () => Promise.resolve({ kind: "none" as const }),
} satisfies Hooks;

/** Services, and what they were told. */
export function judgeServices(overrides: Partial<JudgeServices> = {}) {
  const hits: RuleHit[] = [];
  const judged: JudgedMail[] = [];
  const reputation: string[] = [];
  const services: JudgeServices = {
    policy: POLICY,
    questions: {
      lists: () => Promise.resolve([]),
      reverseName: () => Promise.resolve({ verdict: "pass", name: "client.example.net" }),
      heloFaults: () => Promise.resolve([]),
      explainListing: () => Promise.resolve(null),
    },
    tarpitPlaces: new TarpitPlaces({ max: 1 }),
    rates: { connection: () => Promise.resolve(null), recipient: () => Promise.resolve(null) },
    spf: () => Promise.resolve(SPF),
    authenticate: () => Promise.resolve(AUTHENTICATED),
    linkLists: () => Promise.resolve([]),
    filter: () =>
      Promise.resolve({
        kind: "passed",
        signals: [],
        quarantine: null,
        changes: { onTop: "", removed: [] },
      }),
    reputationsOf: (subjects) =>
      Promise.resolve(subjects.map((subject) => ({ subject, ham: 0, spam: 0 }))),
    takeReports: () => {},
    recordReputation: (subjects, label) => reputation.push(`${label} ${subjects.join(" ")}`),
    score: () => ({ points: 0, signals: [] }),
    greylist: () => Promise.resolve(null),
    hooks: NO_HOOKS,
    observer: { hit: (hit) => hits.push(hit), judged: (mail) => judged.push(mail) },
    now: () => 1_000,
    ...overrides,
  };
  return { services, hits, judged, reputation };
}
