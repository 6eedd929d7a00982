/**
 * The RFC 7208 suite: clients at the suite's addresses, its zones in the DNS. What SPF says is read from the
 * Authentication-Results of what is delivered and, for a fail, from the reply that refuses it.
 */
import type { ZoneData, ZoneName } from "../../engine/dns/zone_resolver.ts";
import { resultsFields } from "../fixtures/authentication_results.ts";
import type { Judged, StrangersMail } from "../fixtures/judged_mail.ts";
import type { SpfScenario, SpfSuiteTest } from "../fixtures/spf_suite.ts";
import type { SuitePart } from "./suite_part.ts";

const MESSAGE = "From: ann@nobody.example\r\nSubject: hello\r\n\r\nHello\r\n";
/** Its names stay silent, which costs five seconds each; those of others fail at once. */
const SILENT = "Record lookup";

/**
 * What cannot be said over SMTP: the command that is refused for it, and how else the server can be brought to
 * the same decision.
 */
const UNSAYABLE: Readonly<
  Record<string, { readonly command: string; readonly instead: Partial<SpfSuiteTest> }>
> = {
  // RFC 5321 §4.1.2: no path has such a domain, or no local part; HELO is looser, and checked alike.
  toolonglabel: {
    command: "MAIL",
    instead: {
      heloName: "A123456789012345678901234567890123456789012345678901234567890123.example.com",
      reversePath: "",
    },
  },
  emptylabel: { command: "MAIL", instead: { heloName: "A...example.com", reversePath: "" } },
  nolocalpart: { command: "MAIL", instead: { heloName: "example.net", reversePath: "" } },
  // RFC 5321 §4.1.1.1: HELO has one argument.
  "invalid-hello-macro": { command: "EHLO", instead: { heloName: "JUMPIN'_JUPITER" } },
};

/** For a server that refuses what fails. */
export function spfPart(suite: readonly SpfScenario[]): SuitePart {
  // Failures are remembered for a moment: their rounds come last, the one that lets `example.com` fail at the end.
  const [last, ...others] = suite;
  const scenarios = [...others.toSorted((one, other) => failures(one) - failures(other)), last];
  return {
    rounds: scenarios.map(({ description, zone, tests }) => ({
      zone: description === SILENT ? zone : failingAtOnce(zone),
      mails: [...tests, ...tests.flatMap(instead)].map(mailOf),
    })),
    faults: (judged) =>
      scenarios.flatMap(({ tests }, round) => [
        ...tests.flatMap((one, at) => faultsOf(one, judged[round][at])),
        ...tests.flatMap(instead).flatMap((one, at) =>
          verdictFaults(one, judged[round][tests.length + at])
        ),
      ]),
  };
}

function failures({ zone }: SpfScenario): number {
  return Object.values(zone).some((name) => Object.values(name).includes("timeout")) ? 1 : 0;
}

function failingAtOnce(zone: ZoneData): ZoneData {
  const failing = (name: ZoneName): ZoneName =>
    Object.fromEntries(
      Object.entries(name)
        .map(([type, records]) => [type, records === "timeout" ? "servfail" : records]),
    );
  return Object.fromEntries(
    Object.entries(zone).map(([name, records]) => [name, failing(records)]),
  );
}

function instead(test: SpfSuiteTest): SpfSuiteTest[] {
  const unsayable = UNSAYABLE[test.name];
  return unsayable === undefined ? [] : [{ ...test, ...unsayable.instead }];
}

function mailOf({ clientAddress, heloName, reversePath }: SpfSuiteTest): StrangersMail {
  // RFC 5321 §4.1.2: a space stands in quotes only.
  const from = reversePath.replace(/^([^@]* [^@]*)@/, '"$1"@');
  return {
    // An IPv4-mapped address is one that came over IPv4.
    clientAddress: clientAddress.replace(/^::ffff:(?=\d+\.)/i, ""),
    ...{ heloName, from: `FROM:<${from}>`, message: MESSAGE },
  };
}

function faultsOf(test: SpfSuiteTest, judged: Judged): string[] {
  const unsayable = UNSAYABLE[test.name];
  if (unsayable === undefined) return verdictFaults(test, judged);
  return judged.kind === "refused" && judged.command === unsayable.command &&
      judged.reply.startsWith("501 ")
    ? []
    : [`${test.name}: not refused by its form: ${JSON.stringify(judged)}`];
}

function verdictFaults({ name, verdicts, explanation }: SpfSuiteTest, judged: Judged): string[] {
  const { verdict, told } = judged.kind === "refused"
    ? ofRefusal(judged)
    : { verdict: firstSpf(judged.header), told: "DEFAULT" };
  const isRight = verdicts.includes(verdict) && (explanation === null || explanation === told);
  return isRight ? [] : [`${name}: ${verdict}, told ${told}, not ${verdicts}, ${explanation}`];
}

/** Of both identities the reverse-path's comes first. */
function firstSpf(header: string): string {
  const [{ results }] = resultsFields(header);
  return results.find(({ method }) => method === "spf")?.verdict ?? "no result";
}

/** RFC 7372 §3.2: 5.7.23 is an SPF fail. */
function ofRefusal({ command, reply }: Extract<Judged, { kind: "refused" }>) {
  const isFail = command === "message" && /^550[ -]5\.7\.23 /.test(reply);
  const told = /\n550 5\.7\.23 \S+ explains: (.*)$/.exec(reply)?.[1] ?? "DEFAULT";
  return { verdict: isFail ? "fail" : `${command}: ${reply}`, told };
}
