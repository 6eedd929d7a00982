/** `dkim rotate | switch`: from the keys in use to new ones, without a gap for those who verify. */
import type { SigningKey } from "../store/signing_keys.ts";
import { noSuchDomain } from "./address.ts";
import { type Command, onlyWord } from "./command.ts";
import { addKeys, takenText, waitingText } from "./dkim.ts";
import { recordFault } from "./dkim_check.ts";
import {
  ALGORITHMS,
  keyJson,
  makeSigningKey,
  type NewSigningKey,
  recordText,
} from "./dkim_making.ts";
import { domainOf } from "./domain.ts";
import { PROGRAM } from "./help.ts";
import { time } from "./layout.ts";

/** Mail signed with an old key may wait in queues for days, and be verified after that. */
const OLD_RECORDS_STAY_MS = 7 * 24 * 3_600_000;

export const dkimRotationCommands: readonly Command[] = [
  {
    noun: "dkim",
    verb: "rotate",
    usage: "<domain>",
    summary: "Make the next signing keys; they wait until their records are out.",
    example: "dkim rotate example.org",
    prepare: (input) => {
      const domain = domainOf(onlyWord(input, "the domain"));
      return async ({ directory, signingKeys, secrets }) => {
        if (await directory.domain(domain) === null) return noSuchDomain(domain);
        const waiting = (await signingKeys.keys(domain)).filter(isWaiting);
        if (waiting.length > 0) return { kind: "failed", message: waitingText(domain, waiting) };
        const keys: NewSigningKey[] = [];
        for (const algorithm of ALGORITHMS) {
          const wish = { domain, algorithm, selector: null, state: "waiting" } as const;
          const made = { secrets: await secrets(), nowMs: Date.now() };
          keys.push(await makeSigningKey(wish, made));
        }
        const taken = await addKeys(signingKeys, keys);
        if (taken !== null) return { kind: "failed", message: takenText(taken) };
        return {
          kind: "done",
          text: [
            ...keys.map(recordText),
            [
              "1. Publish these records now, and leave the old ones.",
              `2. When all name servers have them, mostly within an hour: ` +
              `${PROGRAM} dkim switch ${domain}`,
              "3. A week after that, remove the old records and keys.",
            ].join("\n"),
          ].join("\n\n"),
          json: keys.map(keyJson),
        };
      };
    },
  },
  {
    noun: "dkim",
    verb: "switch",
    usage: "<domain> [--unchecked]",
    summary: "Sign with the waiting keys, once the DNS has their records.",
    example: "dkim switch example.org",
    options: { unchecked: { type: "boolean" } },
    prepare: (input) => {
      const domain = domainOf(onlyWord(input, "the domain"));
      const isChecked = input.options.unchecked !== true;
      return async ({ signingKeys, resolver }) => {
        const keys = await signingKeys.keys(domain);
        const waiting = keys.filter(isWaiting);
        if (waiting.length === 0) {
          return {
            kind: "failed",
            message: `no key of ${domain} is waiting; first: dkim rotate ${domain}`,
          };
        }
        if (isChecked) {
          const faults = (await Promise.all(waiting.map((key) => recordFault(key, resolver))))
            .filter((fault) => fault !== null);
          if (faults.length > 0) {
            return {
              kind: "failed",
              message: [`not switched: ${faults.join("\n  ")}`, "(--unchecked switches anyway)"]
                .join("\n  "),
            };
          }
        }
        const switched = await signingKeys.switchKeys(domain);
        const wereActive = new Set(
          keys.filter(({ state }) => state === "active").map(({ selector }) => selector),
        );
        const retired = (await signingKeys.keys(domain))
          .filter(({ selector, state }) => state === "retired" && wereActive.has(selector));
        return {
          kind: "done",
          text: switchedText(domain, { switched, retired }),
          json: {
            domain,
            active: switched.map(({ selector }) => selector),
            retired: retired.map(({ selector }) => selector),
          },
        };
      };
    },
  },
];

function isWaiting({ state }: SigningKey): boolean {
  return state === "waiting";
}

function switchedText(
  domain: string,
  keys: { readonly switched: readonly SigningKey[]; readonly retired: readonly SigningKey[] },
): string {
  const { switched, retired } = keys;
  const names = (some: readonly SigningKey[]) => some.map(({ selector }) => selector).join(", ");
  const lines = [`${domain} signs with ${names(switched)}`];
  if (retired.length > 0) {
    const fromMs = Math.max(...switched.map(({ stateSinceMs }) => stateSinceMs)) +
      OLD_RECORDS_STAY_MS;
    lines.push(
      `the records of ${names(retired)} stay until ${time(fromMs)}: mail signed with them is ` +
        "still under way; then remove them, and the keys:",
      ...retired.map(({ selector }) => `  ${PROGRAM} dkim remove ${domain} ${selector}`),
    );
  }
  return lines.join("\n");
}
