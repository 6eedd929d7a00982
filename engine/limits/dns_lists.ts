/**
 * Asks DNS lists about a client's address (RFC 5782): all of them at once, each zone once, within one
 * deadline. Finds out what the lists say and no more; what a listing is worth is decided by their weights
 * and `connection_policy.ts`. Whatever is not a list's plain "listed" counts as not listed.
 */
import type { DnsAnswer, Resolver } from "../dns/resolver.ts";
import type { ListHit } from "../spam/facts.ts";
import { within } from "./deadline.ts";
import { type DnsList, fitsPattern } from "./dns_list_zones.ts";
import type { ListHealth, ListReading } from "./list_health.ts";
import { reversedAddress } from "./reversed_address.ts";

export interface ListLookUpOptions {
  readonly lists: readonly DnsList[];
  readonly resolver: Resolver;
  /** For all lists together. */
  readonly deadlineMs: number;
  readonly health: ListHealth;
}

/** What to look up below the zones. */
export interface ListSubject {
  /** For people: an address or a domain. */
  readonly subject: string;
  readonly labels: string;
}

/** The entries an address is listed by, in the order of the lists. Empty for text that is no address. */
export function lookUpLists(
  address: string,
  options: ListLookUpOptions,
): Promise<readonly ListHit[]> {
  const reversed = reversedAddress(address);
  if (reversed === null) return Promise.resolve([]);
  return askLists([{ subject: reversed.address, labels: reversed.labels }], options);
}

/** Each subject below each zone; questions left open at the deadline end on their own, unheard. */
export function askLists(
  subjects: readonly ListSubject[],
  options: ListLookUpOptions,
): Promise<readonly ListHit[]> {
  const { lists, resolver, deadlineMs, health } = options;
  if (subjects.length === 0) return Promise.resolve([]);
  const questions: { readonly list: DnsList; readonly subject: ListSubject }[] = [];
  for (const list of lists) {
    if (health.isDue(list.zone)) {
      for (const subject of subjects) questions.push({ list, subject });
    } else {
      health.record(list.zone, [{ outcome: "skipped", value: "" }]);
    }
  }
  if (questions.length === 0) return Promise.resolve([]);
  return new Promise((resolve) => {
    const readings = new Array<AnswerReading>(questions.length).fill(UNANSWERED);
    let open = questions.length;
    const finish = () => {
      open = 0;
      clearTimeout(timer);
      for (const list of lists) {
        const ofList = readings.filter((_, at) => questions[at].list === list);
        health.record(list.zone, ofList);
      }
      resolve(readings.flatMap(({ hits }, at) => {
        const { list: { zone }, subject: { subject } } = questions[at];
        return hits.map((hit) => ({ zone, ...hit, subject }));
      }));
    };
    const timer = setTimeout(finish, deadlineMs);
    questions.forEach(({ list, subject }, at) => {
      resolver.a(`${subject.labels}.${list.zone}`).then((answer) => {
        if (open === 0) return;
        readings[at] = readListAnswer(answer, list);
        if (--open === 0) finish();
      });
    });
  });
}

interface AnswerReading extends ListReading {
  readonly hits: readonly Pick<ListHit, "value" | "weight">[];
}

const UNANSWERED: AnswerReading = { hits: [], outcome: "unanswered", value: "" };

/** An answer of a list may have many records; these are looked at. */
const MAX_VALUES = 32;
/** Spamhaus: an error, a resolver that is not welcome, too many questions. Others took it over. */
const DENIALS = "127.255.255.";
/** Denials of single lists (URIBL and SURBL, dnswl.org, DBL for an address): listed if an entry says so. */
const DOUBTFUL = new Set(["127.0.0.1", "127.0.0.255", "127.0.1.255"]);

/** What a list's answer means. */
export function readListAnswer(answer: DnsAnswer<string>, list: DnsList): AnswerReading {
  if (answer.kind === "tempfail") {
    const outcome = answer.reason === "overloaded" ? "skipped" : "failed";
    return { hits: [], outcome, value: "" };
  }
  if (answer.kind !== "found") return { hits: [], outcome: "unlisted", value: "" };
  const values = answer.records.slice(0, MAX_VALUES);
  // RFC 5782 §2.1: lists answer in 127.0.0.0/8. Anything else is a portal's or a parked domain's.
  const ofLists = values.filter((value) => value.startsWith("127."));
  if (ofLists.length === 0) return { hits: [], outcome: "foreign", value: values[0] };
  const denial = ofLists.find((value) => value.startsWith(DENIALS));
  if (denial !== undefined) return { hits: [], outcome: "denied", value: denial };
  const hits = list.entries.flatMap(({ pattern, weight }) => {
    const value = ofLists.find((value) =>
      pattern === null ? !DOUBTFUL.has(value) : fitsPattern(value, pattern)
    );
    return value === undefined ? [] : [{ value, weight }];
  });
  if (hits.length > 0) return { hits, outcome: "listed", value: "" };
  const doubtful = ofLists.find((value) => DOUBTFUL.has(value));
  return doubtful === undefined
    ? { hits, outcome: "unlisted", value: "" }
    : { hits, outcome: "denied", value: doubtful };
}

const MAX_EXPLANATION_CHARACTERS = 200;

/**
 * What a list says for itself about a listing of an address, for the reply to the client (RFC 5782 §2.1):
 * one line of printable ASCII, or `null` where there is none in time.
 */
export async function explainListing(
  hit: ListHit,
  options: { readonly resolver: Resolver; readonly deadlineMs: number },
): Promise<string | null> {
  const reversed = reversedAddress(hit.subject);
  if (reversed === null) return null;
  const answer = await within<DnsAnswer<string> | null>(
    options.resolver.txt(`${reversed.labels}.${hit.zone}`),
    { deadlineMs: options.deadlineMs, late: null },
  );
  if (answer?.kind !== "found") return null;
  const line = answer.records[0].slice(0, MAX_EXPLANATION_CHARACTERS).replace(/[^ -~]/g, "?")
    .trim();
  return line === "" ? null : line;
}
