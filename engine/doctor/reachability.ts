/**
 * Whether the server's own listeners answer as mail servers do, and with which certificate. Decides over
 * what a probe saw; opens no socket.
 */
import { type Check, type Finding, missing, right, type Severity, warn, wrong } from "./finding.ts";

export interface ProbeRequest {
  readonly host: string;
  readonly port: number;
  /** TLS from the first octet, or by STARTTLS. */
  readonly tls: "implicit" | "starttls";
  /** The name asked for in the handshake. */
  readonly serverName: string;
  /** For all of the probe. */
  readonly timeoutMs: number;
}

export interface PresentedCertificate {
  /** Whether it holds for the name that was asked for. */
  readonly coversName: boolean;
  /** DNS names it is for, at most 20. */
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isSelfSigned: boolean;
}

export type ProbeOutcome =
  | {
    readonly kind: "answered";
    readonly offersStartTls: boolean;
    readonly certificate: PresentedCertificate | null;
  }
  | { readonly kind: "refused" }
  | { readonly kind: "silent" }
  /** It speaks, but not as it should; `reason` ends a sentence that begins with the port. */
  | { readonly kind: "odd"; readonly reason: string };

/** Looks at one listener. Never rejects for what it meets there. */
export type Probe = (request: ProbeRequest) => Promise<ProbeOutcome>;

export interface Listener {
  readonly name: "smtp" | "submission" | "smtps";
  readonly host: string;
  readonly port: number;
}

const DAY_MS = 24 * 3600 * 1000;
const SOON_DAYS = 14;
const TIMEOUT_MS = 5_000;

/** Where to knock: the loopback address when the server listens on all or on loopback. */
export function listenersOf(
  { listenAddresses, ports }: {
    readonly listenAddresses: readonly string[];
    readonly ports: { readonly smtp: number; readonly submission: number; readonly smtps: number };
  },
): readonly Listener[] {
  const [first = "127.0.0.1"] = listenAddresses;
  const host = first === "0.0.0.0" ? "127.0.0.1" : first === "::" ? "::1" : first;
  return (["smtp", "submission", "smtps"] as const)
    .map((name) => ({ name, host, port: ports[name] }))
    .filter(({ port }) => port !== 0);
}

/** One check per listener, and one for the certificate they show. */
export async function examineListeners(
  listeners: readonly Listener[],
  { hostname, probe, nowMs }: {
    readonly hostname: string;
    readonly probe: Probe;
    readonly nowMs: number;
  },
): Promise<readonly Check[]> {
  const probed = await Promise.all(listeners.map(async (listener) => ({
    listener,
    outcome: await probe({
      host: listener.host,
      port: listener.port,
      tls: listener.name === "smtps" ? "implicit" : "starttls",
      serverName: hostname,
      timeoutMs: TIMEOUT_MS,
    }),
  })));
  const checks = probed.map(({ listener, outcome }) =>
    check(`${listener.name} ${listener.port}`, judgeListener(listener, outcome))
  );
  const certificates = probed.flatMap(({ outcome }) =>
    outcome.kind === "answered" && outcome.certificate !== null ? [outcome.certificate] : []
  );
  if (probed.length === 0) return checks;
  if (certificates.length === 0) {
    const reason = "not checked, for no listener shows one";
    return [...checks, check("certificate", { verdict: "not_checked", reason, mend: null })];
  }
  // All listeners show the same one, save for the moment in which it is replaced.
  const judged = judgeCertificate(certificates[0], { hostname, nowMs });
  return [...checks, check("certificate", judged)];
}

export function judgeListener({ name, host, port }: Listener, outcome: ProbeOutcome): Finding {
  const place = `port ${port}`;
  switch (outcome.kind) {
    case "refused":
      return missing(
        `nothing listens on ${place} of ${host}`,
        "start the server, or see in its log why the listener is not open",
      );
    case "silent":
      return {
        verdict: "unreachable",
        reason: `${place} of ${host} does not answer in time`,
        mend: "see in the server's log what it is doing",
      };
    case "odd":
      return wrong(`${place} of ${host} ${outcome.reason}`, "see whether it is this server at all");
    case "answered":
      if (name === "smtps" || outcome.offersStartTls) {
        return outcome.certificate === null
          ? wrong(`${place} answers, but TLS fails on it`, "look at the certificate and its key")
          : right(`${place} answers, with TLS`);
      }
      return wrong(`${place} answers, but offers no STARTTLS`, "look at the server's certificate");
  }
}

export function judgeCertificate(
  certificate: PresentedCertificate,
  { hostname, nowMs }: { readonly hostname: string; readonly nowMs: number },
): Finding {
  const { coversName, names, notBeforeMs, notAfterMs, isSelfSigned } = certificate;
  const until = new Date(notAfterMs).toISOString().slice(0, 10);
  const renew = "renew it (cert request), or set TLS_CERT_PATH and TLS_KEY_PATH";
  if (notAfterMs <= nowMs) return wrong(`the certificate ran out on ${until}`, renew);
  if (notBeforeMs > nowMs) {
    const from = new Date(notBeforeMs).toISOString();
    return wrong(`the certificate only begins to hold at ${from}`, "look at the server's clock");
  }
  if (!coversName) {
    const listed = names.length === 0 ? "no name at all" : names.join(", ");
    return wrong(`the certificate is for ${listed}, not for ${hostname}`, renew);
  }
  if (isSelfSigned) {
    return warn(
      `the certificate for ${hostname} is self-signed: mail programs will not trust it`,
      "have one issued (cert request), or set TLS_CERT_PATH and TLS_KEY_PATH",
    );
  }
  const days = Math.floor((notAfterMs - nowMs) / DAY_MS);
  if (days < SOON_DAYS) return warn(`the certificate runs out in ${days} days, on ${until}`, renew);
  return right(`the certificate for ${hostname} holds until ${until}`);
}

function check(subject: string, finding: Finding, severity: Severity = "required"): Check {
  return { ...finding, group: "ports", subject, severity };
}
