/** `user app-password add | list | remove`, `user cram-md5 on | off`, `user grant | ungrant` */
import { generatePassword, hashPassword } from "../crypto/password.ts";
import { normalizeDomain } from "../mail/domain.ts";
import type { DirectoryAdmin, UserName } from "../store/directory.ts";
import { addressText, noSuchUser, userOf } from "./address.ts";
import { type Command, onlyWord, optionOf, UsageError, wordsOf } from "./command.ts";
import { columns, time } from "./layout.ts";
import { PASSWORD_OPTION, passwordOf, shownOnce } from "./new_password.ts";

const TAG_LENGTH = 4;
const MAX_LABEL_LENGTH = 100;
/** Of 10 million tags; a user with so many that all these are taken has other problems. */
const TAG_TRIES = 8;

export const userAccessCommands: readonly Command[] = [
  {
    noun: "user",
    verb: "app-password add",
    usage: "<address> --label <text>",
    summary: "Make a password for one program or device; it is shown once.",
    example: "user app-password add ann@example.org --label phone",
    options: { label: { type: "string" } },
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      const label = labelOf(optionOf(input, "label"));
      return async ({ directory }) => {
        const made = await addAppPassword(directory, user, label);
        if (made === null) return noSuchUser(user);
        return {
          kind: "done",
          text: `added app password ${made.tag} (${label}) for ${addressText(user)}\n` +
            shownOnce("password", made.password),
          json: { user: addressText(user), label, ...made },
        };
      };
    },
  },
  {
    noun: "user",
    verb: "app-password list",
    usage: "<address>",
    summary: "Show a user's app passwords by tag, label and age.",
    example: "user app-password list ann@example.org",
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      return async ({ directory }) => {
        if (await directory.account(user) === null) return noSuchUser(user);
        const passwords = await directory.appPasswords(user);
        const rows = passwords.map(({ tag, label, createdAtMs }) => [
          tag,
          `since ${time(createdAtMs)}`,
          label,
        ]);
        return { kind: "done", text: columns(rows), json: passwords };
      };
    },
  },
  {
    noun: "user",
    verb: "app-password remove",
    usage: "<address> <tag>",
    summary: "Make an app password useless; the tag is what stands before its hyphen.",
    example: "user app-password remove ann@example.org Kx3p",
    prepare: (input) => {
      const [address, tag] = wordsOf(input, ["the address", "the tag"]);
      const user = userOf(address);
      return async ({ directory }) =>
        await directory.removeAppPassword(user, tag)
          ? {
            kind: "done",
            text: `removed app password ${tag} of ${addressText(user)}`,
            json: { user: addressText(user), tag },
          }
          : { kind: "failed", message: `${addressText(user)} has no app password ${tag}` };
    },
  },
  {
    noun: "user",
    verb: "cram-md5 on",
    usage: "<address> [--password -|<password>]",
    summary: "Let old devices log in by CRAM-MD5, with a password of its own, shown once.",
    example: "user cram-md5 on scanner@example.org",
    options: PASSWORD_OPTION,
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      const { password } = passwordOf(input);
      return async ({ directory, secrets }) => {
        const name = addressText(user);
        const box = await secrets();
        const sealedCramSecret = box.seal(
          new TextEncoder().encode(password.normalize("NFC")),
          cramContext(user),
        );
        if (!await directory.changeUser(user, { sealedCramSecret })) return noSuchUser(user);
        return {
          kind: "done",
          text: [
            `CRAM-MD5 is on for ${name}`,
            shownOnce("password", password),
            "It works with CRAM-MD5 only, and the user's own password does not work with that.",
            "The server offers CRAM-MD5 where AUTH_METHODS names it.",
          ].join("\n"),
          json: { user: name, cramMd5Password: password },
        };
      };
    },
  },
  {
    noun: "user",
    verb: "cram-md5 off",
    usage: "<address>",
    summary: "Forget a user's password for CRAM-MD5.",
    example: "user cram-md5 off scanner@example.org",
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      return async ({ directory }) =>
        await directory.changeUser(user, { sealedCramSecret: null })
          ? {
            kind: "done",
            text: `CRAM-MD5 is off for ${addressText(user)}`,
            json: { user: addressText(user) },
          }
          : noSuchUser(user);
    },
  },
  {
    noun: "user",
    verb: "grant",
    usage: "<address> <sender>",
    summary:
      "Let a user send as another address, even another user's, as anybody @domain, or as anybody: *.",
    example: "user grant ann@example.org sales@example.org",
    prepare: (input) => {
      const [address, text] = wordsOf(input, ["the address", "the sender"]);
      const [user, sender] = [userOf(address), senderOf(text)];
      return async ({ directory }) => {
        switch (await directory.addGrant(user, sender)) {
          case "added":
            return {
              kind: "done",
              text: `${addressText(user)} may send as ${sender}`,
              json: { user: addressText(user), sender },
            };
          case "exists":
            return {
              kind: "failed",
              message: `${addressText(user)} may send as ${sender} already`,
            };
          case "no_such_user":
            return noSuchUser(user);
        }
      };
    },
  },
  {
    noun: "user",
    verb: "ungrant",
    usage: "<address> <sender>",
    summary: "Take back what was granted.",
    example: "user ungrant ann@example.org sales@example.org",
    prepare: (input) => {
      const [address, text] = wordsOf(input, ["the address", "the sender"]);
      const [user, sender] = [userOf(address), senderOf(text)];
      return async ({ directory }) =>
        await directory.removeGrant(user, sender)
          ? {
            kind: "done",
            text: `${addressText(user)} may no longer send as ${sender}`,
            json: { user: addressText(user), sender },
          }
          : { kind: "failed", message: `${addressText(user)} was not granted ${sender}` };
    },
  },
];

/** What a CRAM-MD5 secret is sealed for. */
function cramContext({ localPart, domain }: UserName): string {
  return `cram ${localPart}@${domain}`;
}

/** `null` when there is no such user. */
async function addAppPassword(
  directory: DirectoryAdmin,
  user: UserName,
  label: string,
): Promise<{ tag: string; password: string } | null> {
  for (let tries = 0; tries < TAG_TRIES; tries++) {
    const tag = generatePassword().slice(0, TAG_LENGTH);
    const password = `${tag}-${generatePassword()}`;
    const passwordHash = await hashPassword(password);
    switch (await directory.addAppPassword(user, { tag, label, passwordHash })) {
      case "added":
        return { tag, password };
      case "no_such_user":
        return null;
      case "exists":
    }
  }
  throw new Error(`no tag is free for another app password of ${addressText(user)}`);
}

/** @throws {UsageError} */
function labelOf(text: string | null): string {
  if (text === null || text.trim() === "") {
    throw new UsageError("the label is missing: --label <text> says what the password is for");
  }
  const label = text.trim();
  if (label.length > MAX_LABEL_LENGTH || /\p{Cc}/u.test(label)) {
    throw new UsageError(`a label is one line of at most ${MAX_LABEL_LENGTH} characters`);
  }
  return label;
}

/** @throws {UsageError} */
function senderOf(text: string): string {
  if (text === "*") return "*";
  if (!text.startsWith("@")) return addressText(userOf(text));
  const domain = normalizeDomain(text.slice(1));
  if (domain === null) throw new UsageError(`not a sender: ${text}; write a@b, @b or '*'`);
  return `@${domain}`;
}
