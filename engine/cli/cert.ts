/** `cert list | add | request | remove` */
import { normalizeDomain } from "../mail/domain.ts";
import { certificateContext, type StoredCertificate } from "../store/certificates.ts";
import { judgePair } from "../crypto/certificate_pair.ts";
import { type Command, type CommandInput, onlyWord, optionOf, UsageError } from "./command.ts";
import { columns, time } from "./layout.ts";

const MAX_FILE_OCTETS = 1024 * 1024;

export const certCommands: readonly Command[] = [
  {
    noun: "cert",
    verb: "list",
    usage: "",
    summary: "Show the certificates clients are served by the name they ask for.",
    example: "cert list",
    prepare: (input) => {
      if (input.positionals.length > 0) throw new UsageError("cert list takes no words");
      return async ({ certificates }) => {
        const all = await certificates.certificates();
        return {
          kind: "done",
          text: columns(all.map(listed)),
          json: all.map(({ name, source, chain, notAfterMs, fault, retryAtMs }) => ({
            name,
            source,
            isIssued: chain !== null,
            notAfterMs,
            fault,
            retryAtMs,
          })),
        };
      };
    },
  },
  {
    noun: "cert",
    verb: "add",
    usage: "<name> --cert <file> --key <file>",
    summary: "Serve a certificate from files to clients that ask for this name.",
    example: "cert add mail.example.org --cert fullchain.pem --key privkey.pem",
    options: { cert: { type: "string" }, key: { type: "string" } },
    prepare: (input) => {
      const name = certificateName(onlyWord(input, "the name"));
      const certPath = pathOf(input, "cert");
      const keyPath = pathOf(input, "key");
      return async ({ certificates, secrets }) => {
        const chain = await readText(certPath);
        const key = await readText(keyPath);
        const judgement = judgePair({ chain, key, name, nowMs: Date.now() });
        if (judgement.kind === "fault") return { kind: "failed", message: judgement.fault };
        const { notAfterMs } = judgement;
        const box = await secrets();
        await certificates.put({
          name,
          source: "file",
          chain: judgement.chain,
          sealedPrivateKey: box.seal(
            new TextEncoder().encode(judgement.privateKey),
            certificateContext(name),
          ),
          notAfterMs,
          fault: null,
          retryAtMs: null,
        });
        return {
          kind: "done",
          text: `added the certificate for ${name}, good until ${time(notAfterMs)}`,
          json: { name, source: "file", notAfterMs },
        };
      };
    },
  },
  {
    noun: "cert",
    verb: "request",
    usage: "<name>",
    summary: "Have the server get a certificate by ACME, and renew it.",
    example: "cert request mail.example.org",
    prepare: (input) => {
      const name = certificateName(onlyWord(input, "the name"));
      return async ({ certificates, settings }) => {
        if (!settings.hasAcme) {
          return {
            kind: "failed",
            message: "ACME is not configured: set ACME_DIRECTORY_URL, e.g. to " +
              "https://acme-v02.api.letsencrypt.org/directory, and start the server again",
          };
        }
        if (name.startsWith("*.") && !settings.hasAcmeDns) {
          return {
            kind: "failed",
            message: `${name} can only be proved by DNS: set ACME_DNS_HOOK first`,
          };
        }
        const known = (await certificates.certificates()).find((one) => one.name === name);
        if (known?.source === "file") {
          return {
            kind: "failed",
            message: `${name} has a certificate from files; first: cert remove ${name}`,
          };
        }
        await certificates.put({
          name,
          source: "acme",
          // One that is good until it is replaced stays in use.
          chain: known?.chain ?? null,
          sealedPrivateKey: known?.sealedPrivateKey ?? null,
          notAfterMs: known?.notAfterMs ?? null,
          fault: null,
          retryAtMs: null,
        });
        return {
          kind: "done",
          text: `requested a certificate for ${name}; the server gets it within minutes, ` +
            "and cert list tells how it goes",
          json: { name, source: "acme" },
        };
      };
    },
  },
  {
    noun: "cert",
    verb: "remove",
    usage: "<name>",
    summary: "Serve the default certificate for this name again.",
    example: "cert remove mail.example.org",
    prepare: (input) => {
      const name = certificateName(onlyWord(input, "the name"));
      return async ({ certificates }) =>
        await certificates.remove(name)
          ? { kind: "done", text: `removed the certificate for ${name}`, json: { name } }
          : { kind: "failed", message: `there is no certificate for ${name}` };
    },
  },
];

function listed(certificate: StoredCertificate): string[] {
  const { name, source, chain, notAfterMs, fault, retryAtMs } = certificate;
  const state = chain === null || notAfterMs === null
    ? "not issued yet"
    : `good until ${time(notAfterMs)}`;
  const again = retryAtMs === null ? "" : `, tried again at ${time(retryAtMs)}`;
  return [name, source, fault === null ? state : `${state}: ${fault}${again}`];
}

/** A host name, or `*.` before a domain. @throws {UsageError} */
function certificateName(text: string): string {
  const isWildcard = text.startsWith("*.");
  const domain = normalizeDomain(isWildcard ? text.slice(2) : text);
  if (domain === null) throw new UsageError(`neither a host name nor *.domain: ${text}`);
  return isWildcard ? `*.${domain}` : domain;
}

/** @throws {UsageError} */
function pathOf(input: CommandInput, name: string): string {
  const path = optionOf(input, name);
  if (path === null || path === "") throw new UsageError(`the file is missing: --${name} <file>`);
  return path;
}

/** @throws {Error} naming the file. */
async function readText(path: string): Promise<string> {
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_FILE_OCTETS) throw new Error(`larger than ${MAX_FILE_OCTETS} octets`);
    return await Deno.readTextFile(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${path}: cannot be read: ${reason}`, { cause });
  }
}
