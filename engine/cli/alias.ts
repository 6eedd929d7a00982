/** `alias add | remove | list` */
import type { Alias, DirectoryAdmin } from "../store/directory.ts";
import { localPartKey, MAX_TARGETS } from "../store/directory.ts";
import { isDomainName } from "../mail/domain.ts";
import { parseMailbox } from "../mail/path.ts";
import { addressOrDomain, addressText, noSuchDomain } from "./address.ts";
import { allPages, type Command, type CommandResult, onlyWord, UsageError } from "./command.ts";
import { domainOf } from "./domain.ts";
import { columns } from "./layout.ts";

export const aliasCommands: readonly Command[] = [
  {
    noun: "alias",
    verb: "add",
    usage: "<address|@domain> <target>…",
    summary:
      "Send mail for an address, or for all of a domain, on; several targets make a group. Users it leads to may send as it, unless the name is another user's.",
    example: "alias add sales@example.org ann@example.org bob@example.org",
    prepare: (input) => {
      const [from, ...to] = input.positionals;
      if (from === undefined) throw new UsageError("the address, or @domain, is missing");
      if (to.length === 0) throw new UsageError(`the target of ${from} is missing`);
      const alias = addressOrDomain(from);
      const parsed = to.map(targetOf);
      return async ({ directory }) => {
        const added: string[] = [];
        const notes: string[] = [];
        for (const each of parsed) {
          const target = await storedTarget(directory, each);
          const outcome = await directory.addAlias({ ...alias, target });
          if (outcome === "no_such_domain") return noSuchDomain(alias.domain);
          if (outcome === "full") {
            for (const target of added) await directory.removeAlias(alias, target);
            return tooLarge(addressText(alias));
          }
          if (outcome === "added") added.push(target);
          if (await leadsNowhere(directory, each)) notes.push(`note: no such user: ${target}`);
        }
        const name = addressText(alias);
        if (added.length === 0) {
          return { kind: "failed", message: `${name} leads there already` };
        }
        return {
          kind: "done",
          text: [`${name} -> ${added.join(", ")}`, ...notes].join("\n"),
          json: { alias: name, added },
        };
      };
    },
  },
  {
    noun: "alias",
    verb: "remove",
    usage: "<address|@domain> [<target>]",
    summary: "Remove an alias, or one of its targets.",
    example: "alias remove sales@example.org bob@example.org",
    prepare: (input) => {
      const [from, to, ...more] = input.positionals;
      if (from === undefined) throw new UsageError("the address, or @domain, is missing");
      if (more.length > 0) throw new UsageError(`too many words: ${more.join(" ")}`);
      const alias = addressOrDomain(from);
      const parsed = to === undefined ? null : targetOf(to);
      return async ({ directory }) => {
        const name = addressText(alias);
        const target = parsed === null ? null : await storedTarget(directory, parsed);
        const isRemoved = await directory.removeAlias(alias, target);
        const shown = target === null ? name : `${name} -> ${target}`;
        return isRemoved
          ? { kind: "done", text: `removed ${shown}`, json: { alias: name, target } }
          : { kind: "failed", message: `no such alias: ${shown}` };
      };
    },
  },
  {
    noun: "alias",
    verb: "list",
    usage: "[<domain>]",
    summary: "Show where aliases lead, of one domain or of all.",
    example: "alias list example.org",
    prepare: (input) => {
      const domain = input.positionals.length === 0
        ? undefined
        : domainOf(onlyWord(input, "the domain"));
      return async ({ directory }) => {
        if (domain !== undefined && await directory.domain(domain) === null) {
          return noSuchDomain(domain);
        }
        const rows = await allPages<Alias>((after) => directory.aliases({ domain, after }));
        const byName = Map.groupBy(rows, addressText);
        const aliases = Array.from(byName, ([alias, group]) => ({
          alias,
          targets: group.map(({ target }) => target),
        }));
        return {
          kind: "done",
          text: columns(aliases.map(({ alias, targets }) => [alias, `-> ${targets.join(", ")}`])),
          json: aliases,
        };
      };
    },
  },
];

interface Target {
  /** Empty for `@domain`. */
  readonly localPart: string;
  readonly domain: string;
}

function tooLarge(name: string): CommandResult {
  const message = `${name} would lead to more than ${MAX_TARGETS} addresses: nothing was added`;
  return { kind: "failed", message };
}

/** @throws {UsageError} */
function targetOf(text: string): Target {
  if (text.startsWith("@")) return addressOrDomain(text);
  const mailbox = parseMailbox(text);
  if (typeof mailbox === "string" || !isDomainName(mailbox.domain)) {
    throw new UsageError(`neither a mail address nor @domain: ${text}`);
  }
  return mailbox;
}

/** In our own domains case means nothing; elsewhere it is the owner's business (RFC 5321 §2.4). */
async function storedTarget(directory: DirectoryAdmin, target: Target): Promise<string> {
  const isOurs = await directory.domain(target.domain) !== null;
  return addressText(isOurs ? { ...target, localPart: localPartKey(target.localPart) } : target);
}

async function leadsNowhere(directory: DirectoryAdmin, target: Target): Promise<boolean> {
  if (target.localPart === "") return false;
  return (await directory.lookup(target.domain, target.localPart)).kind === "no_such_user";
}
