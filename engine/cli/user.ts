/** `user add | remove | list | show | password` */
import { hashPassword } from "../crypto/password.ts";
import type { Account, AppPassword, UserListing, UserName } from "../store/directory.ts";
import { addressText, noSuchDomain, noSuchUser, userOf } from "./address.ts";
import { allPages, type Command, type CommandResult, onlyWord } from "./command.ts";
import { domainOf } from "./domain.ts";
import { columns, sheet, time } from "./layout.ts";
import { type NewPassword, PASSWORD_OPTION, passwordOf, shownOnce } from "./new_password.ts";
import { formatSize } from "./size.ts";

function done(what: string, user: UserName, chosen?: NewPassword): CommandResult {
  const name = addressText(user);
  if (chosen?.isGenerated !== true) {
    return { kind: "done", text: `${what} ${name}`, json: { user: name } };
  }
  const { password } = chosen;
  return {
    kind: "done",
    text: `${what} ${name}\n${shownOnce("password", password)}`,
    json: { user: name, password },
  };
}

export const userCommands: readonly Command[] = [
  {
    noun: "user",
    verb: "add",
    usage: "<address> [--password -|<password>]",
    summary: "Add a mailbox; without a password, one is made and shown once.",
    example: "user add ann@example.org",
    options: PASSWORD_OPTION,
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      const chosen = passwordOf(input);
      return async ({ directory }) => {
        switch (await directory.addUser(user, await hashPassword(chosen.password))) {
          case "added":
            return done("added", user, chosen);
          case "exists":
            return { kind: "failed", message: `${addressText(user)} is there already` };
          case "no_such_domain":
            return noSuchDomain(user.domain);
        }
      };
    },
  },
  {
    noun: "user",
    verb: "remove",
    usage: "<address>",
    summary: "Remove a mailbox; mail already delivered to it stays on disk.",
    example: "user remove ann@example.org",
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      return async ({ directory }) =>
        await directory.removeUser(user) ? done("removed", user) : noSuchUser(user);
    },
  },
  {
    noun: "user",
    verb: "list",
    usage: "[<domain>]",
    summary: "Show the mailboxes, of one domain or of all.",
    example: "user list example.org",
    prepare: (input) => {
      const domain = input.positionals.length === 0
        ? undefined
        : domainOf(onlyWord(input, "the domain"));
      return async ({ directory }) => {
        if (domain !== undefined && await directory.domain(domain) === null) {
          return noSuchDomain(domain);
        }
        const users = await allPages<UserListing>((after) => directory.users({ domain, after }));
        return { kind: "done", text: columns(users.map(listed)), json: users.map(listedJson) };
      };
    },
  },
  {
    noun: "user",
    verb: "show",
    usage: "<address>",
    summary: "Show what a mailbox may and has.",
    example: "user show ann@example.org",
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      return async ({ directory }) => {
        const [account, mailbox, appPasswords, grants, aliases] = await Promise.all([
          directory.account(user),
          directory.mailbox(user),
          directory.appPasswords(user),
          directory.grants(user),
          directory.aliasesTo(user),
        ]);
        if (account === null || mailbox === null) return noSuchUser(user);
        const { quotaOctets } = mailbox;
        return shown(account, { quotaOctets, appPasswords, grants, aliases });
      };
    },
  },
  {
    noun: "user",
    verb: "password",
    usage: "<address> [--password -|<password>]",
    summary: "Set a password; without one, it is made and shown once.",
    example: "user password ann@example.org",
    options: PASSWORD_OPTION,
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      const chosen = passwordOf(input);
      return async ({ directory }) =>
        await directory.setPassword(user, await hashPassword(chosen.password))
          ? done("password set for", user, chosen)
          : noSuchUser(user);
    },
  },
];

function listed(user: UserListing): string[] {
  const quota = user.quotaOctets === null ? "" : `quota ${formatSize(user.quotaOctets)}`;
  return [addressText(user), [user.isDisabled ? "disabled" : "", quota].filter(Boolean).join(", ")];
}

function listedJson({ isDisabled, quotaOctets, ...user }: UserListing) {
  return { user: addressText(user), isDisabled, quotaOctets };
}

interface ShownBesides {
  readonly quotaOctets: number | null;
  readonly appPasswords: readonly AppPassword[];
  readonly grants: readonly string[];
  readonly aliases: readonly UserName[];
}

/** Everything but the secrets. */
function shown(account: Account, besides: ShownBesides): CommandResult {
  const { isDisabled, messagesPerHour, messagesPerDay } = account;
  const { quotaOctets, appPasswords, grants } = besides;
  const user = addressText(account.user);
  const hasCramMd5 = account.sealedCramSecret !== null;
  const aliases = besides.aliases.map(addressText);
  const limit = (messages: number | null) => messages === null ? "the server's" : `${messages}`;
  return {
    kind: "done",
    text: sheet(user, [
      ["state", isDisabled ? "disabled" : "enabled"],
      ["quota", quotaOctets === null ? "none" : formatSize(quotaOctets)],
      ["limits", `${limit(messagesPerHour)} an hour, ${limit(messagesPerDay)} a day`],
      ["app passwords", listOr(appPasswords.map(appPasswordLine))],
      ["CRAM-MD5", hasCramMd5 ? "on" : "off"],
      ["may send as", [user, ...grants, ...aliases.map(aliasLine)]],
    ]),
    json: {
      user,
      isDisabled,
      quotaOctets,
      messagesPerHour,
      messagesPerDay,
      appPasswords,
      hasCramMd5,
      grants,
      aliases,
    },
  };
}

function appPasswordLine({ tag, label, createdAtMs }: AppPassword): string {
  return `${tag}  ${label}  since ${time(createdAtMs)}`;
}

function aliasLine(alias: string): string {
  return alias.startsWith("@") ? `${alias}, names nobody else has` : alias;
}

function listOr(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? ["none"] : lines;
}
