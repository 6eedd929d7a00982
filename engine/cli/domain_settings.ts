/** `domain set` */
import { generatePassword } from "../crypto/password.ts";
import { displayDomain } from "../mail/domain.ts";
import type {
  Alias,
  DirectoryAdmin,
  DomainChange,
  LocalTransport,
  UserName,
} from "../store/directory.ts";
import { parseLocalTransport } from "../store/local_transport.ts";
import { addressText, userOf } from "./address.ts";
import {
  allPages,
  choiceOf,
  type Command,
  type CommandInput,
  onlyWord,
  optionOf,
  UsageError,
} from "./command.ts";
import { domainOf } from "./domain.ts";
import { shownOnce } from "./new_password.ts";

export const domainSettingsCommands: readonly Command[] = [
  {
    noun: "domain",
    verb: "set",
    usage: "<domain> [--delivery maildir|lmtp:<socket or host:port>|webhook:<url>] " +
      "[--plus on|off] [--when-full defer|refuse] [--catch-all <address>|none] " +
      "[--postmaster <address>|none]",
    summary: "Change how a domain's mail is delivered, and who gets its odd mail.",
    example: "domain set example.org --delivery lmtp:/run/dovecot/lmtp --catch-all ann@example.org",
    options: {
      delivery: { type: "string" },
      plus: { type: "string" },
      "when-full": { type: "string" },
      "catch-all": { type: "string" },
      postmaster: { type: "string" },
    },
    prepare: (input) => {
      const domain = domainOf(onlyWord(input, "the domain"));
      const wish = wishOf(input);
      return async ({ directory, secrets }) => {
        const shown = displayDomain(domain);
        if (await directory.domain(domain) === null) {
          return { kind: "failed", message: `no such domain: ${shown}` };
        }
        const secret = wish.transport?.kind === "webhook" ? generatePassword() : null;
        const sealedWebhookSecret = secret === null
          ? null
          : (await secrets()).seal(new TextEncoder().encode(secret), webhookContext(domain));
        const change: DomainChange = {
          ...wish.settings,
          // A domain that turns away from its webhook forgets the secret.
          ...(wish.transport === null ? {} : { transport: wish.transport, sealedWebhookSecret }),
        };
        if (Object.keys(change).length > 0) await directory.changeDomain(domain, change);
        for (const { localPart, target } of wish.aliases) {
          await lead(directory, { domain, localPart }, target);
        }
        return {
          kind: "done",
          text: [
            `${shown}: ${wish.said.join(", ")}`,
            ...(secret === null
              ? []
              : [shownOnce("signing secret", secret), "The webhook checks signatures with it."]),
          ].join("\n"),
          json: { domain, set: wish.said, ...(secret === null ? {} : { webhookSecret: secret }) },
        };
      };
    },
  },
];

interface Wish {
  readonly settings: DomainChange;
  readonly transport: LocalTransport | null;
  readonly aliases: readonly { readonly localPart: string; readonly target: string | null }[];
  /** Each setting in words. */
  readonly said: readonly string[];
}

/** @throws {UsageError} */
function wishOf(input: CommandInput): Wish {
  const said: string[] = [];
  const option = <T>(name: string, read: (text: string) => T): T | null => {
    const text = optionOf(input, name);
    if (text === null) return null;
    const value = read(text);
    said.push(`${name} ${text}`);
    return value;
  };
  const transport = option("delivery", transportOf);
  const plus = option(
    "plus",
    (text) => choiceOf(text, { what: "--plus", choices: ["on", "off"] }),
  );
  const whenFull = option(
    "when-full",
    (text) => choiceOf(text, { what: "--when-full", choices: ["defer", "refuse"] }),
  );
  const catchAll = option("catch-all", leadsTo);
  const postmaster = option("postmaster", leadsTo);
  if (said.length === 0) {
    throw new UsageError(
      "the setting is missing: --delivery, --plus, --when-full, --catch-all or --postmaster",
    );
  }
  return {
    settings: {
      ...(plus === null ? {} : { hasPlusAddressing: plus === "on" }),
      ...(whenFull === null ? {} : { whenFull }),
    },
    transport,
    aliases: [
      ...(catchAll === null ? [] : [{ localPart: "", ...catchAll }]),
      ...(postmaster === null ? [] : [{ localPart: "postmaster", ...postmaster }]),
    ],
    said,
  };
}

/** A webhook's address in the form it is asked in. @throws {UsageError} */
function transportOf(text: string): LocalTransport {
  const written = parseLocalTransport(text);
  const url = written?.kind === "webhook" ? new URL(written.url) : null;
  // It is shown and logged, so what is secret about it must not stand in it.
  if (url !== null && (url.username !== "" || url.password !== "")) {
    throw new UsageError("--delivery: a webhook's address carries no password; it is signed");
  }
  const transport = url === null ? written : parseLocalTransport(`webhook:${url.href}`);
  if (transport !== null) return transport;
  throw new UsageError(
    `not a way to deliver: ${text}; write maildir, lmtp:/path/of/socket, lmtp:host:port ` +
      "or webhook:https://host/path",
  );
}

/** @throws {UsageError} */
function leadsTo(text: string): { readonly target: string | null } {
  return { target: text.toLowerCase() === "none" ? null : addressText(userOf(text)) };
}

/** What a webhook's secret is sealed for. */
function webhookContext(domain: string): string {
  return `webhook ${domain}`;
}

/** Makes the name lead to `target` alone, or nowhere; at no time in between is it without one. */
async function lead(
  directory: DirectoryAdmin,
  name: UserName,
  target: string | null,
): Promise<void> {
  const { domain } = name;
  const aliases = await allPages<Alias>((after) => directory.aliases({ domain, after }));
  if (target !== null) await directory.addAlias({ ...name, target });
  for (const alias of aliases) {
    if (alias.localPart !== name.localPart || alias.target === target) continue;
    await directory.removeAlias(name, alias.target);
  }
}
