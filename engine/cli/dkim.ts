/** `dkim generate | list | show | remove` */
import {
  type SigningAlgorithm,
  type SigningKey,
  type SigningKeyAdmin,
  type SigningKeyState,
} from "../store/signing_keys.ts";
import { noSuchDomain } from "./address.ts";
import {
  choiceOf,
  type Command,
  type CommandInput,
  onlyWord,
  optionOf,
  UsageError,
  wordsOf,
} from "./command.ts";
import { keyJson, makeSigningKey, type NewSigningKey, recordText } from "./dkim_making.ts";
import { domainOf } from "./domain.ts";
import { columns, time } from "./layout.ts";

const ALGORITHM_CHOICES = {
  rsa: ["rsa-sha256"],
  ed25519: ["ed25519-sha256"],
  both: ["rsa-sha256", "ed25519-sha256"],
} as const satisfies Record<string, readonly SigningAlgorithm[]>;

export const dkimCommands: readonly Command[] = [
  {
    noun: "dkim",
    verb: "generate",
    usage: "<domain> [--algorithm rsa|ed25519|both] [--selector <selector>] [--waiting]",
    summary:
      "Make signing keys and show their DNS records; where there is an active key, they wait.",
    example: "dkim generate example.org --algorithm rsa --selector s1",
    options: {
      algorithm: { type: "string" },
      selector: { type: "string" },
      waiting: { type: "boolean" },
    },
    prepare: (input) => {
      const domain = domainOf(onlyWord(input, "the domain"));
      const wishes = wishesOf(input);
      const mayBeActive = input.options.waiting !== true;
      return async ({ directory, signingKeys, secrets }) => {
        if (await directory.domain(domain) === null) return noSuchDomain(domain);
        const known = await signingKeys.keys(domain);
        const waiting = known.filter(({ algorithm, state }) =>
          state === "waiting" && wishes.some((wish) => wish.algorithm === algorithm)
        );
        if (waiting.length > 0) return { kind: "failed", message: waitingText(domain, waiting) };
        const keys: NewSigningKey[] = [];
        for (const { algorithm, selector } of wishes) {
          const hasOne = known.some((key) => key.algorithm === algorithm && key.state === "active");
          const state: SigningKeyState = mayBeActive && !hasOne ? "active" : "waiting";
          const wish = { domain, algorithm, selector, state };
          const made = { secrets: await secrets(), nowMs: Date.now() };
          keys.push(await makeSigningKey(wish, made));
        }
        const taken = await addKeys(signingKeys, keys);
        if (taken !== null) return { kind: "failed", message: takenText(taken) };
        return {
          kind: "done",
          text: [...keys.map(recordText), nextText(domain, keys)].join("\n\n"),
          json: keys.map(keyJson),
        };
      };
    },
  },
  {
    noun: "dkim",
    verb: "list",
    usage: "[<domain>]",
    summary: "Show the signing keys and whether they wait, sign or have retired.",
    example: "dkim list example.org",
    prepare: (input) => {
      const domain = input.positionals.length === 0
        ? null
        : domainOf(onlyWord(input, "the domain"));
      return async ({ signingKeys }) => {
        const keys = await signingKeys.keys(domain);
        const rows = keys.map((key) => [
          key.domain,
          key.selector,
          key.algorithm,
          `${key.state} since ${time(key.stateSinceMs)}`,
        ]);
        return { kind: "done", text: columns(rows), json: keys.map(storedJson) };
      };
    },
  },
  {
    noun: "dkim",
    verb: "show",
    usage: "<domain> [<selector>]",
    summary: "Show the DNS records of a domain's signing keys.",
    example: "dkim show example.org",
    prepare: (input) => {
      const [domainWord, selectorWord] = input.positionals.length < 2
        ? [onlyWord(input, "the domain"), undefined]
        : wordsOf(input, ["the domain", "the selector"]);
      const domain = domainOf(domainWord);
      const selector = selectorWord?.toLowerCase();
      return async ({ signingKeys }) => {
        const keys = (await signingKeys.keys(domain))
          .filter((key) => selector === undefined || key.selector === selector);
        if (keys.length === 0) return noSuchKey(domain, selector);
        return {
          kind: "done",
          text: keys.map(recordText).join("\n\n"),
          json: keys.map(storedJson),
        };
      };
    },
  },
  {
    noun: "dkim",
    verb: "remove",
    usage: "<domain> <selector>",
    summary: "Forget a signing key for good.",
    example: "dkim remove example.org s1",
    prepare: (input) => {
      const [domainWord, selectorWord] = wordsOf(input, ["the domain", "the selector"]);
      const domain = domainOf(domainWord);
      const selector = selectorWord.toLowerCase();
      return async ({ signingKeys }) => {
        const keys = await signingKeys.keys(domain);
        const key = keys.find((one) => one.selector === selector);
        if (key === undefined || !await signingKeys.removeKey(domain, selector)) {
          return noSuchKey(domain, selector);
        }
        const left = keys.filter((one) => one !== key && one.state === "active");
        const signs = left.length > 0
          ? `${domain} signs with ${left.map((one) => one.selector).join(", ")}`
          : `${domain} signs nothing now; a new key: dkim generate ${domain}`;
        return {
          kind: "done",
          text: [`removed ${selector} of ${domain}`, ...(key.state === "active" ? [signs] : [])]
            .join("\n"),
          json: { domain, selector, active: left.map((one) => one.selector) },
        };
      };
    },
  },
];

/** What to do about keys just made. */
function nextText(domain: string, keys: readonly NewSigningKey[]): string {
  const namesOf = (wanted: SigningKeyState) =>
    keys.filter(({ state }) => state === wanted).map(({ selector }) => selector).join(", ");
  const active = namesOf("active");
  const waiting = namesOf("waiting");
  return [
    ...(active === "" ? [] : [
      `${active} signs mail of ${domain} from this moment. Until its record is out, receivers find`,
      "no key and do not count the signature: publish it now. To publish first and sign later, make",
      "keys with --waiting.",
    ]),
    ...(waiting === ""
      ? []
      : [`${waiting} signs nothing yet. Once its record is out: dkim switch ${domain}`]),
  ].join("\n");
}

/** Why there are no more keys to be made: a switch leads to one of each algorithm. */
export function waitingText(domain: string, waiting: readonly SigningKey[]): string {
  const names = waiting.map(({ selector }) => selector).join(", ");
  return `keys are waiting already: ${names}; publish their records ` +
    `(dkim show ${domain}), then: dkim switch ${domain}`;
}

/** Adds keys, all or none; answers the one whose selector is taken. */
export async function addKeys(
  signingKeys: SigningKeyAdmin,
  keys: readonly NewSigningKey[],
): Promise<NewSigningKey | null> {
  const known = new Set<string>();
  for (const { domain } of keys) {
    for (const { selector } of await signingKeys.keys(domain)) known.add(selector);
  }
  const taken = keys.find(({ selector }) => known.has(selector));
  if (taken !== undefined) return taken;
  for (const key of keys) {
    if (await signingKeys.addKey(key) !== "added") return key;
  }
  return null;
}

export function takenText({ domain, selector, algorithm }: NewSigningKey): string {
  const short = algorithm === "rsa-sha256" ? "rsa" : "ed25519";
  return `${domain} has a key ${selector} already; name another one: ` +
    `dkim generate ${domain} --algorithm ${short} --selector <selector>`;
}

function noSuchKey(domain: string, selector: string | undefined) {
  const what = selector === undefined ? `no signing key` : `no key ${selector}`;
  return {
    kind: "failed",
    message: `${domain} has ${what}; to make one: dkim generate ${domain}`,
  } as const;
}

function storedJson(key: SigningKey) {
  const { createdAtMs, stateSinceMs } = key;
  return { ...keyJson(key), createdAtMs, stateSinceMs };
}

/** @throws {UsageError} */
function wishesOf(
  input: CommandInput,
): readonly { readonly algorithm: SigningAlgorithm; readonly selector: string | null }[] {
  const choice = choiceOf(optionOf(input, "algorithm") ?? "both", {
    what: "--algorithm",
    choices: ["rsa", "ed25519", "both"],
  });
  const selector = selectorOf(optionOf(input, "selector"));
  if (selector !== null && choice === "both") {
    throw new UsageError("a selector names one key: add --algorithm rsa or --algorithm ed25519");
  }
  return ALGORITHM_CHOICES[choice].map((algorithm) => ({ algorithm, selector }));
}

/** @throws {UsageError} */
function selectorOf(text: string | null): string | null {
  if (text === null) return null;
  const selector = text.toLowerCase();
  // RFC 6376 §3.1: labels like those of host names, one or several.
  if (
    selector.length <= 100 &&
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(selector)
  ) return selector;
  throw new UsageError(`not a selector: ${text}; write letters, digits and hyphens, e.g. s1`);
}
