/** `domain add | remove | list` */
import { displayDomain, normalizeDomain } from "../mail/domain.ts";
import { allPages, type Command, onlyWord, UsageError } from "./command.ts";

/** @throws {UsageError} */
export function domainOf(text: string): string {
  const domain = normalizeDomain(text);
  if (domain === null) throw new UsageError(`not a domain name: ${text}`);
  return domain;
}

export const domainCommands: readonly Command[] = [
  {
    noun: "domain",
    verb: "add",
    usage: "<domain>",
    summary: "Accept mail for a domain.",
    example: "domain add example.org",
    prepare: (input) => {
      const domain = domainOf(onlyWord(input, "the domain"));
      return async ({ directory }) =>
        await directory.addDomain(domain)
          ? { kind: "done", text: `added ${displayDomain(domain)}`, json: { domain } }
          : { kind: "failed", message: `${displayDomain(domain)} is there already` };
    },
  },
  {
    noun: "domain",
    verb: "remove",
    usage: "<domain>",
    summary: "Accept no more mail for a domain; it must have no users.",
    example: "domain remove example.org",
    prepare: (input) => {
      const domain = domainOf(onlyWord(input, "the domain"));
      return async ({ directory }) => {
        const shown = displayDomain(domain);
        switch (await directory.removeDomain(domain)) {
          case "removed":
            return { kind: "done", text: `removed ${shown}`, json: { domain } };
          case "no_such_domain":
            return { kind: "failed", message: `no such domain: ${shown}` };
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
];
