/**
 * The certificates of `serve`, put together: the operator's files or our self-signed ones for those who ask
 * for no name, the store's by name, and ACME where it is configured.
 */
import { X509Certificate } from "node:crypto";
import type postgres from "postgres";
import type { Config } from "../config/schema.ts";
import { CertificateKeeper } from "./acme/keeper.ts";
import { NodeAcmeIssuer } from "./acme/node_acme_issuer.ts";
import { nodeDnsHook } from "./acme/node_dns_hook.ts";
import { challengeRoute, prover } from "./acme/prover.ts";
import { type HttpServer, serveHttp } from "./admin/http.ts";
import type { SecretBox } from "./crypto/secret_box.ts";
import {
  type CertificateFiles,
  certificateFiles,
  readCertificate,
  watchCertificate,
} from "./runtime/node_certificate.ts";
import type { Certificate, CertificateSet, NamedCertificate } from "./smtp/certificate_choice.ts";
import type { CertificateStore } from "./store/certificates.ts";
import { postgresCertificates } from "./store/postgres_certificates.ts";
import { logOf } from "./telemetry/log.ts";
import type { Metrics } from "./telemetry/metrics.ts";

export interface ServedCertificates extends AsyncDisposable {
  readonly files: CertificateFiles;
  current(): CertificateSet;
  /** Watches files and store, and issues what is due, until disposed of. */
  start(onChange: (set: CertificateSet) => void): void;
}

interface Parts {
  readonly sql: postgres.Sql;
  readonly secrets: SecretBox;
  readonly metrics: Metrics;
}

const log = logOf("certificate");

export async function openCertificates(config: Config, parts: Parts): Promise<ServedCertificates> {
  await using stack = new AsyncDisposableStack();
  const files = await certificateFiles({
    certPath: config.tlsCertPath,
    keyPath: config.tlsKeyPath,
    dataDir: config.dataDir,
    names: [...new Set([config.serverHostname, config.serverDomain, "localhost"])],
    nowMs: Date.now(),
  });
  let ofFiles = await readCertificate(files);
  let named: readonly NamedCertificate[] = [];
  let tell: (set: CertificateSet) => void = () => {};
  const current = () => ({ fallback: fallbackOf(config, ofFiles, named), named });
  const changed = () => {
    parts.metrics.certificateExpiry.set(firstExpiryMs(current()) / 1000);
    tell(current());
  };
  const store = postgresCertificates(parts.sql);
  const keeper = stack.use(
    new CertificateKeeper({
      store,
      secrets: parts.secrets,
      issuer: issuerOf(config, { ...parts, store, stack }),
      now: Date.now,
      random: Math.random,
      onChange: (opened) => {
        named = opened;
        changed();
      },
      onIssued: (name, notAfterMs) => {
        parts.metrics.certificatesIssued.of({ outcome: "issued" }).inc();
        const until = new Date(notAfterMs).toISOString();
        log.info("certificate for {name} issued", { event: "certificate_issued", name, until });
      },
      onFailed: (name, error) => {
        parts.metrics.certificatesIssued.of({ outcome: "failed" }).inc();
        log.error("certificate for {name} failed: {error}", {
          event: "certificate_failed",
          name,
          error,
        });
      },
      onError: (error) => log.error("certificates: {error}", { error: String(error) }),
    }),
  );
  await keeper.refresh();
  changed();
  const owned = stack.move();
  return {
    files,
    current,
    start: (onChange) => {
      tell = onChange;
      owned.use(watchCertificate(files, {
        current: ofFiles,
        now: Date.now,
        onChange: (certificate) => {
          ofFiles = certificate;
          changed();
          log.info("certificate reloaded", { event: "certificate_reloaded" });
        },
        onError: (error) => log.error("certificate: {error}", { error: String(error) }),
      }));
      keeper.start();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Who asks for no name gets the operator's files; without any, what was issued for our own name. */
function fallbackOf(
  { tlsCertPath, serverHostname }: Config,
  ofFiles: Certificate,
  named: readonly NamedCertificate[],
): Certificate {
  if (tlsCertPath !== null) return ofFiles;
  return named.find(({ names, notAfterMs }) =>
    names.includes(serverHostname.toLowerCase()) && notAfterMs > Date.now()
  ) ?? ofFiles;
}

function firstExpiryMs({ fallback, named }: CertificateSet): number {
  const ends = [Date.parse(new X509Certificate(fallback.cert).validTo)];
  return Math.min(...ends, ...named.map(({ notAfterMs }) => notAfterMs));
}

function issuerOf(
  config: Config,
  { store, secrets, stack }: Parts & {
    readonly store: CertificateStore;
    readonly stack: AsyncDisposableStack;
  },
): NodeAcmeIssuer | null {
  if (config.acmeDirectoryUrl === null) return null;
  const listening = config.listenAddresses.map((address) =>
    answerChallenges(address, config, store)
  )
    .filter((server) => server !== null);
  for (const server of listening) stack.use(server);
  const dnsHook = config.acmeDnsHook === null ? null : nodeDnsHook(config.acmeDnsHook);
  return new NodeAcmeIssuer({
    directoryUrl: config.acmeDirectoryUrl,
    email: config.acmeEmail,
    accounts: store,
    secrets,
    prover: prover({ challenges: store, answersHttp: listening.length > 0, dnsHook }),
  });
}

/** `null` when turned off, or when the port is not to be had: mail is served all the same. */
function answerChallenges(
  address: string,
  { acmeHttpPort: port }: Config,
  store: CertificateStore,
): HttpServer | null {
  try {
    return serveHttp({
      address,
      port,
      routes: [challengeRoute({ challenges: store })],
      onError: (error) => log.error("ACME challenge: {error}", { error: String(error) }),
    });
  } catch (error) {
    log.error("ACME cannot be answered on {address} port {port}: {error}", {
      address,
      port,
      error: String(error),
    });
    return null;
  }
}
