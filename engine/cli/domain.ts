/** `domain add | remove | list | show` */
import { displayDomain, normalizeDomain } from "../mail/domain.ts";
import type { Alias, UserName } from "../store/directory.ts";
import { formatLocalTransport } from "../store/local_transport.ts";
import { allPages, type Command, type CommandResult, onlyWord, UsageError } from "./command.ts";
import { keyJson, makeFirstKeys } from "./dkim_making.ts";
import { PROGRAM } from "./help.ts";
import { sheet, time } from "./layout.ts";

/** @throws {UsageError} */
export function domainOf(text: string): string {
  const domain = normalizeDomain(text);
  if (domain === null) throw new UsageError(`not a domain name: ${text}`);
  return domain;
}

function noSuch(domain: string): CommandResult {
  return { kind: "failed", message: `no such domain: ${displayDomain(domain)}` };
}

export const domainCommands: readonly Command[] = [
  {
    noun: "domain",
    verb: "add",
    usage: "<domain> [--no-dkim]",
    summary: "Accept mail for a domain, and make the keys that sign what it sends.",
    example: "domain add example.org",
    options: { "no-dkim": { type: "boolean" } },
    prepare: (input) => {
      const domain = domainOf(onlyWord(input, "the domain"));
      const isSigned = input.options["no-dkim"] !== true;
      return async ({ directory, signingKeys, secrets }) => {
        const shown = displayDomain(domain);
        if (await directory.domain(domain) !== null) {
          return { kind: "failed", message: `${shown} is there already` };
        }
        // Before the domain, so that none is left without keys when they cannot be made.
        const keys = isSigned
          ? await makeFirstKeys(domain, { secrets: await secrets(), nowMs: Date.now() })
          : [];
        if (!await directory.addDomain(domain)) {
          return { kind: "failed", message: `${shown} is there already` };
        }
        for (const key of keys) await signingKeys.addKey(key);
        const selectors = keys.map(({ selector, algorithm }) => `${selector} (${algorithm})`);
        const next = `next: ${PROGRAM} doctor ${domain}   (says which DNS records to publish)`;
        return {
          kind: "done",
          text: [
            `added ${shown}`,
            ...(keys.length === 0 ? [] : [`signing keys: ${selectors.join(", ")}`]),
            next,
          ].join("\n"),
          json: { domain, keys: keys.map(keyJson) },
        };
      };
    },
  },
  {
    noun: "domain",
    verb: "remove",
    usage: "<domain>",
    summary:
      "Accept no more mail for a domain; it must have no users. Its keys and aliases go too.",
    example: "domain remove example.org",
    prepare: (input) => {
      const domain = domainOf(onlyWord(input, "the domain"));
      return async ({ directory }) => {
        const shown = displayDomain(domain);
        switch (await directory.removeDomain(domain)) {
          case "removed":
            return { kind: "done", text: `removed ${shown}`, json: { domain } };
          case "no_such_domain":
            return noSuch(domain);
          case "has_users":
            return { kind: "failed", message: `${shown} still has users; remove them first` };
        }
      };
    },
  },
  {
    noun: "domain",
    verb: "list",
    usage: "",
    summary: "Show the domains mail is accepted for.",
    example: "domain list",
    prepare: (input) => {
      if (input.positionals.length > 0) throw new UsageError("domain list takes no words");
      return async ({ directory }) => {
        const domains = await allPages<string>((after) =>
          directory.domains(after === undefined ? undefined : { after })
        );
        return {
          kind: "done",
          text: domains.map(displayDomain).join("\n"),
          json: domains.map((domain) => ({ domain })),
        };
      };
    },
  },
  {
    noun: "domain",
    verb: "show",
    usage: "<domain>",
    summary: "Show a domain's settings, who gets its odd mail, and its signing keys.",
    example: "domain show example.org",
    prepare: (input) => {
      const domain = domainOf(onlyWord(input, "the domain"));
      return async ({ directory, signingKeys }) => {
        const settings = await directory.domain(domain);
        if (settings === null) return noSuch(domain);
        const aliases = await allPages<Alias>((after) => directory.aliases({ domain, after }));
        const users = await allPages<UserName>((after) => directory.users({ domain, after }));
        const keys = await signingKeys.keys(domain);
        const targetsOf = (name: string) =>
          aliases.filter(({ localPart }) => localPart === name).map(({ target }) => target);
        const [catchAll, postmaster] = [targetsOf(""), targetsOf("postmaster")];
        const delivery = formatLocalTransport(settings.transport);
        const { hasPlusAddressing, whenFull } = settings;
        return {
          kind: "done",
          text: sheet(displayDomain(domain), [
            ["delivery", delivery],
            ["plus", hasPlusAddressing ? "on" : "off"],
            ["when full", whenFull],
            ["catch-all", orElse(catchAll, "none")],
            ["postmaster", orElse(postmaster, "the user of that name, or the first one")],
            ["users", `${users.length}`],
            ["aliases", `${new Set(aliases.map(({ localPart }) => localPart)).size}`],
            [
              "DKIM keys",
              orElse(
                keys.map(({ selector, algorithm, state, stateSinceMs }) =>
                  `${selector}  ${algorithm}  ${state} since ${time(stateSinceMs)}`
                ),
                "none",
              ),
            ],
          ]),
          json: {
            domain,
            delivery,
            hasPlusAddressing,
            whenFull,
            catchAll,
            postmaster,
            users: users.length,
            keys: keys.map(keyJson),
          },
        };
      };
    },
  },
];

function orElse(values: readonly string[], otherwise: string): readonly string[] {
  return values.length === 0 ? [otherwise] : values;
}
