/** How a session worker judges strangers, put together from the modules that decide and those that ask. */
import type { Config } from "../config/schema.ts";
import { authenticate } from "../engine/auth/authenticate.ts";
import { checkSpf } from "../engine/auth/spf.ts";
import type { Verifier } from "../engine/crypto/verifier.ts";
import type { Resolver } from "../engine/dns/resolver.ts";
import { NodeClamd } from "../engine/filters/node_clamd.ts";
import { NodeMilter } from "../engine/filters/node_milter.ts";
import { NodeRspamd } from "../engine/filters/node_rspamd.ts";
import { type ConfiguredFilter, FilterRunner } from "../engine/filters/run_filters.ts";
import { greylistGate, rateGate } from "../engine/inbound/gates.ts";
import type { Hooks } from "../engine/inbound/hooks.ts";
import type { ClientQuestions, InboundPolicy, JudgeServices } from "../engine/inbound/services.ts";
import { StrangerJudge } from "../engine/inbound/stranger_judge.ts";
import { explainListing, lookUpLists } from "../engine/limits/dns_lists.ts";
import { checkHeloName } from "../engine/limits/helo_name.ts";
import { lookUpLinks } from "../engine/limits/link_lists.ts";
import { ListHealth } from "../engine/limits/list_health.ts";
import { confirmReverseName } from "../engine/limits/reverse_name.ts";
import { TarpitPlaces } from "../engine/limits/tarpit.ts";
import { parseNetworks } from "../engine/routing/networks.ts";
import type { InboundServices } from "../engine/smtp/inbound.ts";
import type { SenderReputations } from "../engine/spam/sender_reputations.ts";
import type { Greylist } from "../engine/store/greylist.ts";
import type { Meters } from "../engine/store/meters.ts";
import { logOf } from "../engine/telemetry/log.ts";
import type { Metrics } from "../engine/telemetry/metrics.ts";
import type { SessionReports } from "./session_reports.ts";
import { filterObserver, inboundObserver } from "./inbound_observer.ts";

/** For SPF, and again for everything else that is looked up about a message. */
const AUTHENTICATION_TIMEOUT_MS = 20_000;
const CLIENT_QUESTIONS_MS = 5_000;
/** Of each message's links. */
const MAX_LINK_DOMAINS = 20;
const MAX_TARPITTED = 200;
const TARPIT_FIRST_DELAY_MS = 1_000;
/** Unknown recipients a client may name at full speed. */
const FREE_REFUSALS = 10;
/** Messages that have to come again until a domain that proves nothing is trusted from a network. */
const GREYLIST_PASSES = 1;

const NO_HOOKS: Hooks = { has: () => false, ask: () => Promise.resolve({ kind: "none" }) };

export interface InboundParts {
  readonly resolver: Resolver;
  readonly verifier: Verifier;
  readonly meters: Meters;
  readonly greylist: Greylist;
  readonly reputations: SenderReputations;
  readonly score: JudgeServices["score"];
  /** `null`: the operator has none. */
  readonly policy: Hooks | null;
  readonly reports: Pick<SessionReports, "takeReports" | "observe">;
  readonly metrics: Metrics;
}

export function inboundServices(config: Config, parts: InboundParts): InboundServices {
  const { judging } = config;
  const trusted = parseNetworks(judging.trustedNetworks.join(","));
  if (trusted.kind === "fault") throw new Error(`TRUSTED_NETWORKS: ${trusted.reason}`);
  const services = judgeServices(config, parts);
  return {
    open: ({ address, port, sessionId }) =>
      trusted.networks.contains(address)
        ? null
        : new StrangerJudge(services, { sessionId, clientAddress: address, clientPort: port }),
  };
}

function judgeServices(config: Config, parts: InboundParts): JudgeServices {
  const { judging, serverHostname: hostname } = config;
  const { resolver, verifier, meters, greylist, reputations, reports, metrics } = parts;
  const log = logOf("dns_list");
  const health = new ListHealth({
    lists: [...judging.dnsLists, ...judging.linkLists],
    now: () => performance.now(),
    onOutcome: (_zone, outcome) => metrics.listQueries.of({ outcome }).inc(),
    onTrouble: ({ zone, kind, value }) =>
      log.warning("DNS list {zone} is of no use: {kind} {value}", { zone, kind, value }),
  });
  const listOptions = { resolver, health, deadlineMs: judging.dnsListTimeoutMs };
  const filters = new FilterRunner({
    filters: outsideFilters(config),
    now: () => performance.now(),
    onAnswered: filterObserver(metrics),
  });
  return {
    policy: policyOf(config),
    questions: clientQuestions(config, { resolver, listOptions }),
    tarpitPlaces: new TarpitPlaces({ max: MAX_TARPITTED }),
    rates: rateGate(meters, judging.rates),
    spf: (question) =>
      checkSpf({
        ...question,
        hostname,
        resolver,
        nowMs: Date.now(),
        timeoutMs: AUTHENTICATION_TIMEOUT_MS,
      }),
    authenticate: (octets, { header, spf }) =>
      authenticate(octets, header, {
        spf,
        resolver,
        verifier,
        nowMs: Date.now(),
        timeoutMs: AUTHENTICATION_TIMEOUT_MS,
      }),
    linkLists: (hosts) =>
      judging.linkLists.length === 0 ? Promise.resolve([]) : lookUpLinks(hosts, {
        ...listOptions,
        lists: judging.linkLists,
        maxDomains: MAX_LINK_DOMAINS,
      }),
    filter: (message) => filters.judge(message),
    reputationsOf: (subjects) => reputations.reputationsOf(subjects),
    recordReputation: (subjects, label) => reputations.record(subjects, label),
    score: parts.score,
    greylist: greylistGate(greylist, {
      delayMs: judging.greylistDelayMs,
      windowMs: judging.greylistWindowMs,
      trustMs: judging.greylistKnownMs,
      passes: GREYLIST_PASSES,
    }),
    hooks: parts.policy ?? NO_HOOKS,
    takeReports: reports.takeReports,
    observer: inboundObserver(metrics, (mail) => reports.observe(mail)),
    now: Date.now,
  };
}

function policyOf({ judging, serverHostname: hostname }: Config): InboundPolicy {
  const { tarpitMaxMs } = judging;
  return {
    hostname,
    connection: {
      listRejectWeight: judging.dnsListsRejectWeight,
      reverseDns: judging.reverseDns,
      helo: judging.heloCheck,
    },
    tarpit: {
      listWeight: judging.dnsListsRejectWeight,
      freeRefusals: FREE_REFUSALS,
      firstDelayMs: Math.min(TARPIT_FIRST_DELAY_MS, tarpitMaxMs),
      maxDelayMs: tarpitMaxMs,
    },
    authentication: {
      dmarc: judging.dmarcPolicy,
      temperror: judging.authTemperror,
      spfFail: judging.spfFail,
      trustedSealers: new Set(judging.arcTrustedSealers),
      exemptDomains: new Set(judging.dmarcExemptDomains),
    },
    dmarcQuarantine: judging.dmarcQuarantine,
    spam: judging.enableSpamFilter ? judging.spamScores : null,
    greylist: judging.greylist,
    holdMs: judging.quarantineMs,
  };
}

function clientQuestions(
  { judging, serverHostname, serverDomain }: Config,
  { resolver, listOptions }: {
    readonly resolver: Resolver;
    readonly listOptions: Omit<Parameters<typeof lookUpLists>[1], "lists">;
  },
): ClientQuestions {
  const deadlineMs = CLIENT_QUESTIONS_MS;
  const isOurName = (name: string) => name === serverHostname || name === serverDomain;
  return {
    lists: (address) => lookUpLists(address, { ...listOptions, lists: judging.dnsLists }),
    reverseName: (address) =>
      judging.reverseDns === "off"
        ? Promise.resolve({ verdict: "none", name: null })
        : confirmReverseName(address, { resolver, deadlineMs }),
    heloFaults: (heloName, clientAddress) =>
      judging.heloCheck === "off"
        ? Promise.resolve([])
        : checkHeloName(heloName, { clientAddress, isOurName, resolver, deadlineMs }),
    explainListing: (hit) => explainListing(hit, { resolver, deadlineMs }),
  };
}

function outsideFilters({ judging, serverHostname: hostname }: Config): ConfiguredFilter[] {
  const { rspamd, clamd, milters } = judging;
  const log = logOf("filter");
  const filters: ConfiguredFilter[] = [];
  if (clamd !== null) {
    const filter = new NodeClamd({
      address: clamd.address,
      onFound: ({ id, signature }) =>
        log.warning("clamd found {signature}", { signature, session_id: id }),
    });
    filters.push({ ...clamd, filter });
  }
  if (rspamd !== null) filters.push({ ...rspamd, filter: new NodeRspamd({ ...rspamd, hostname }) });
  for (const milter of milters) {
    const filter = new NodeMilter({ ...milter, hostname, now: () => performance.now() });
    filters.push({ ...milter, filter });
  }
  return filters;
}
