/**
 * Whole transactions that were made for an authentication milter, with what it found. What only that product does
 * is left out, and where it and an RFC differ the RFC is followed.
 */
import { resultsFields } from "../fixtures/authentication_results.ts";
import type { Judged } from "../fixtures/judged_mail.ts";
import type { Method, MilterSuite, MilterTransaction } from "../fixtures/milter_suite.ts";
import { refusedFault, type SuitePart } from "./suite_part.ts";

/** What the product does there. */
const LEFT_OUT: ReadonlyMap<string, string> = new Map([
  ["google_apps_good.trusted", "does not check clients on a list of its own"],
  ["google_apps_good_map", "takes one client for another"],
  ["google_apps_good_map_cidr", "takes the clients of a network for another client"],
  ["google_apps_good_dryrun", "changes nothing when told so"],
  ["dmarc_reject_hard_whitelisted", "spares clients on a list of its own"],
]);

const DEPARTURES: ReadonlyMap<string, Partial<Record<Method, string>>> = new Map([
  // RFC 8301 §3.1: rsa-sha1 proves nothing.
  ["dmarc_reject_wl", { dkim: "policy" }],
  // Text and a comma in front of the one mailbox of From: its domain can be read, and asks for nothing.
  ["spam_headers", { dmarc: "none" }],
  ["spam_headers_hide_none", { dmarc: "none" }],
  ["spam_headers_spf_hide_none", { dmarc: "none" }],
]);

/** RFC 5321 §4.1.2: no path has a space in its domain. */
const UNSAYABLE = "google_apps_bad_space";

/** @param which those that a refusing server is for, or the others. */
export function milterPart(
  { zone, transactions }: MilterSuite,
  which: { readonly enforces: boolean; readonly hostname: string },
): SuitePart {
  const those = transactions.filter(({ name, enforces }) =>
    enforces === which.enforces && !LEFT_OUT.has(name)
  );
  const unsayable = those.filter(({ name }) => name === UNSAYABLE);
  const sayable = those.map((one) => ({ ...one, from: one.from.replace("@ ", "@") }));
  return {
    rounds: [{
      zone,
      mails: [...sayable, ...unsayable].map((one) => ({ ...one, from: `FROM:${one.from}` })),
    }],
    faults: ([judged]) => [
      ...sayable.flatMap((one, at) => faultsOf(one, judged[at], which.hostname)),
      ...unsayable.flatMap(({ name }, at) => {
        const one = judged[sayable.length + at];
        const isRefused = one.kind === "refused" && one.reply.startsWith("501 ");
        return isRefused ? [] : [`${name}: not refused by its form`];
      }),
    ],
  };
}

function faultsOf(
  { name, expected, message }: MilterTransaction,
  judged: Judged,
  hostname: string,
): string[] {
  if (expected === null) {
    const isRefused = judged.kind === "refused" && judged.reply.startsWith("550 5.7.26 ");
    return isRefused ? [] : [`${name}: ${JSON.stringify(judged)}`];
  }
  if (judged.kind === "refused") return refusedFault(name, judged);
  const fields = resultsFields(judged.header);
  const told = { ...expected, ...DEPARTURES.get(name) };
  const faults = Object.entries(told).flatMap(([method, anyVerdict]) => {
    const verdicts = fields[0].results.filter((result) => result.method === method)
      .map(({ verdict }) => verdict);
    // RFC 8601 §2.7.3: fail is for names that do not lead back; these clients have no name.
    const verdict = method === "iprev" && anyVerdict === "fail" ? "permerror" : anyVerdict;
    const found = method === "dkim" && verdicts.includes("pass") ? "pass" : verdicts[0];
    return found === verdict ? [] : [`${name}: ${method}=${found}, not ${verdict}`];
  });
  // RFC 8601 §5: fields in our name are taken out, and no others.
  const ids = fields.map(({ authservId }) => authservId);
  const theirs = resultsFields(message.slice(0, message.indexOf("\r\n\r\n")))
    .map(({ authservId }) => authservId).filter((id) => id !== hostname);
  return ids.join() === [hostname, ...theirs].join()
    ? faults
    : [...faults, `${name}: fields of ${ids}`];
}
