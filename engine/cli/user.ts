/** `user add | remove | list | password` */
import { generatePassword, hashPassword, MAX_PASSWORD_OCTETS } from "../crypto/password.ts";
import { isDomainName } from "../mail/domain.ts";
import { formatMailbox, parseMailbox } from "../mail/path.ts";
import { localPartKey, type UserName } from "../store/directory.ts";
import {
  allPages,
  type Command,
  type CommandInput,
  type CommandResult,
  onlyWord,
  UsageError,
} from "./command.ts";
import { domainOf } from "./domain.ts";

const PASSWORD_OPTION = { password: { type: "string" } } as const;

/** @throws {UsageError} */
function userOf(text: string): UserName {
  const mailbox = parseMailbox(text);
  if (typeof mailbox === "string" || !isDomainName(mailbox.domain)) {
    throw new UsageError(`not a mail address: ${text}`);
  }
  return { domain: mailbox.domain, localPart: localPartKey(mailbox.localPart) };
}

interface NewPassword {
  readonly password: string;
  readonly isGenerated: boolean;
}

/** @throws {UsageError} */
function passwordOf(input: CommandInput): NewPassword {
  const { password } = input.options;
  if (typeof password !== "string") return { password: generatePassword(), isGenerated: true };
  const octets = new TextEncoder().encode(password).length;
  if (octets === 0 || octets > MAX_PASSWORD_OCTETS) {
    throw new UsageError(`a password has 1 to ${MAX_PASSWORD_OCTETS} octets`);
  }
  return { password, isGenerated: false };
}

function done(what: string, user: UserName, chosen?: NewPassword): CommandResult {
  const name = formatMailbox(user.localPart, user.domain);
  const shown = chosen?.isGenerated === true;
  return {
    kind: "done",
    text: `${what} ${name}${shown ? `\npassword: ${chosen.password}   (not shown again)` : ""}`,
    json: { user: name, ...(shown ? { password: chosen.password } : {}) },
  };
}

function noSuchUser(user: UserName): CommandResult {
  return {
    kind: "failed",
    message: `no such user: ${formatMailbox(user.localPart, user.domain)}`,
  };
}

export const userCommands: readonly Command[] = [
  {
    noun: "user",
    verb: "add",
    usage: "<address> [--password <password>]",
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
          case "exists": {
            const name = formatMailbox(user.localPart, user.domain);
            return { kind: "failed", message: `${name} is there already` };
          }
          case "no_such_domain":
            return {
              kind: "failed",
              message: `no such domain: ${user.domain}; first: domain add ${user.domain}`,
            };
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
        const users = await allPages<UserName>((after) => directory.users({ domain, after }));
        const names = users.map((user) => formatMailbox(user.localPart, user.domain));
        return { kind: "done", text: names.join("\n"), json: names.map((user) => ({ user })) };
      };
    },
  },
  {
    noun: "user",
    verb: "password",
    usage: "<address> [--password <password>]",
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
