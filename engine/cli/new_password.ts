/** Where a command's password comes from: its words, standard input, or chance. */
import { generatePassword, MAX_PASSWORD_OCTETS } from "../crypto/password.ts";
import { type CommandInput, optionOf, UsageError } from "./command.ts";

/** `--password -` reads it from standard input, so that it stays out of the shell's history and the process list. */
export const PASSWORD_OPTION = { password: { type: "string", mayBeStdin: true } } as const;

export interface NewPassword {
  readonly password: string;
  readonly isGenerated: boolean;
}

/** The one given, or a new one. @throws {UsageError} */
export function passwordOf(input: CommandInput): NewPassword {
  const password = optionOf(input, "password");
  if (password === null) return { password: generatePassword(), isGenerated: true };
  const octets = new TextEncoder().encode(password).length;
  if (octets === 0 || octets > MAX_PASSWORD_OCTETS) {
    throw new UsageError(`a password has 1 to ${MAX_PASSWORD_OCTETS} octets`);
  }
  return { password, isGenerated: false };
}

/** A line with a secret that is kept nowhere in this form. */
export function shownOnce(name: string, secret: string): string {
  return `${name}: ${secret}   (not shown again)`;
}
