/** `user disable | enable | quota | limits` */
import type { UserChange, UserName } from "../store/directory.ts";
import { addressText, noSuchUser, userOf } from "./address.ts";
import {
  type CliStores,
  type Command,
  type CommandInput,
  type CommandResult,
  onlyWord,
  optionOf,
  UsageError,
  wordsOf,
} from "./command.ts";
import { formatSize, parseSize } from "./size.ts";

const MAX_MESSAGES = 1_000_000_000;

/** Makes the change and says it in the user's words. */
function change(user: UserName, made: UserChange, text: string) {
  return async ({ directory }: CliStores): Promise<CommandResult> =>
    await directory.changeUser(user, made)
      ? { kind: "done", text, json: { user: addressText(user), ...made } }
      : noSuchUser(user);
}

export const userLimitCommands: readonly Command[] = [
  {
    noun: "user",
    verb: "disable",
    usage: "<address>",
    summary: "Let a user neither log in nor send; mail for the mailbox is still taken.",
    example: "user disable ann@example.org",
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      return change(user, { isDisabled: true }, `disabled ${addressText(user)}`);
    },
  },
  {
    noun: "user",
    verb: "enable",
    usage: "<address>",
    summary: "Let a disabled user log in again.",
    example: "user enable ann@example.org",
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      return change(user, { isDisabled: false }, `enabled ${addressText(user)}`);
    },
  },
  {
    noun: "user",
    verb: "quota",
    usage: "<address> <size>|none",
    summary: "Say how much mail a mailbox holds, e.g. 500M or 2G.",
    example: "user quota ann@example.org 2G",
    prepare: (input) => {
      const [address, size] = wordsOf(input, ["the address", "the size, or none,"]);
      const user = userOf(address);
      const quotaOctets = quotaOf(size);
      const shown = quotaOctets === null ? "no quota" : `a quota of ${formatSize(quotaOctets)}`;
      return change(user, { quotaOctets }, `${addressText(user)} has ${shown}`);
    },
  },
  {
    noun: "user",
    verb: "limits",
    usage: "<address> [--per-hour <n>|default] [--per-day <n>|default]",
    summary: "Say how many recipients a user may send to; default: the server's own limits.",
    example: "user limits ann@example.org --per-hour 50 --per-day default",
    options: { "per-hour": { type: "string" }, "per-day": { type: "string" } },
    prepare: (input) => {
      const user = userOf(onlyWord(input, "the address"));
      const perHour = limitOf(input, "per-hour");
      const perDay = limitOf(input, "per-day");
      if (perHour === undefined && perDay === undefined) {
        throw new UsageError("the limit is missing: --per-hour, --per-day or both");
      }
      const shown = [said(perHour, "an hour"), said(perDay, "a day")].filter(Boolean).join(", ");
      return change(user, {
        ...(perHour === undefined ? {} : { messagesPerHour: perHour }),
        ...(perDay === undefined ? {} : { messagesPerDay: perDay }),
      }, `${addressText(user)} may send to ${shown}`);
    },
  },
];

function said(limit: number | null | undefined, period: string): string {
  if (limit === undefined) return "";
  return limit === null ? `as many ${period} as the server lets anybody` : `${limit} ${period}`;
}

/** Octets, `null` for none. @throws {UsageError} */
function quotaOf(text: string): number | null {
  if (text.toLowerCase() === "none") return null;
  const octets = parseSize(text);
  if (octets === null) throw new UsageError(`not a size: ${text}; write e.g. 500M, 2G or none`);
  return octets;
}

/** `null` for the server's own, `undefined` where it is to stay. @throws {UsageError} */
function limitOf(input: CommandInput, name: string): number | null | undefined {
  const text = optionOf(input, name);
  if (text === null) return undefined;
  if (text.toLowerCase() === "default") return null;
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= MAX_MESSAGES) return limit;
  throw new UsageError(`--${name} takes a number from 1 to ${MAX_MESSAGES}, or default`);
}
