/** What a newcomer needs to know of a server that just started: pure text, at most 24 lines. */
import { maskUrl } from "./mask.ts";

const CLI = "npx -y deno@2.9.6 task cli";
const LABEL_WIDTH = 18;

export interface ListeningOn {
  readonly addresses: readonly string[];
  /** 0 when turned off. */
  readonly port: number;
}

export interface BannerFacts {
  readonly version: string;
  readonly hostname: string;
  readonly domain: string;
  readonly smtp: ListeningOn;
  readonly submission: ListeningOn;
  readonly smtps: ListeningOn;
  readonly http: ListeningOn;
  readonly dataDir: string;
  /** `null`: the embedded one. */
  readonly databaseUrl: string | null;
  /** `null`: the embedded one. */
  readonly redisUrl: string | null;
  /** The certificate's file, and whether we made it ourselves. */
  readonly certificate: { readonly path: string; readonly selfSigned: boolean } | null;
  /** Users just made, whose passwords are shown this once. */
  readonly newUsers: readonly { readonly address: string; readonly password: string }[];
}

/** The banner, lines without a newline at the end. */
export function bannerText(facts: BannerFacts): string {
  const { smtp, submission, smtps, http } = facts;
  const lines = [
    `Sluice ${facts.version} is ready, as ${facts.hostname}, for mail to ${facts.domain}.`,
    "",
    row("Incoming mail", endpoints(smtp)),
    row("Submission", endpoints(submission), submission.port === 0 ? "" : "STARTTLS"),
    row("Submission", endpoints(smtps), smtps.port === 0 ? "" : "TLS"),
    row("Health, metrics", http.port === 0 ? "off" : webAddresses(http)),
    row("Mail and queue", database(facts)),
    row("Dispatcher", facts.redisUrl === null ? "embedded" : maskUrl(facts.redisUrl)),
    ...certificate(facts),
    ...newUsers(facts),
    "",
    ...nextSteps(facts),
  ];
  return lines.join("\n");
}

function row(label: string, text: string, note = ""): string {
  return `  ${label.padEnd(LABEL_WIDTH)}${text}${note === "" ? "" : ` (${note})`}`;
}

function endpoints({ addresses, port }: ListeningOn): string {
  return port === 0 ? "off" : addresses.map((address) => `${inUrl(address)}:${port}`).join(", ");
}

function webAddresses({ addresses, port }: ListeningOn): string {
  const base = `http://${inUrl(addresses[0])}:${port}`;
  return `${base}/readyz and ${base}/metrics`;
}

function inUrl(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

function database({ databaseUrl, dataDir }: BannerFacts): string {
  return databaseUrl === null ? `embedded database in ${dataDir}` : maskUrl(databaseUrl);
}

function certificate({ certificate }: BannerFacts): string[] {
  if (certificate === null) return [row("Certificate", "none: no TLS")];
  return [row("Certificate", certificate.path, certificate.selfSigned ? "self-signed" : "")];
}

/** Two at the most: the banner stays short, and the command line can set passwords anew. */
function newUsers(facts: BannerFacts): string[] {
  if (facts.newUsers.length === 0) return [];
  return [
    "",
    ...facts.newUsers.slice(0, 2).map(({ address, password }) => {
      return row("New user", `${address}  password: ${password}`);
    }),
    row("", "Write passwords down: they are not shown again."),
  ];
}

function nextSteps(facts: BannerFacts): string[] {
  const recipient = facts.newUsers[0]?.address ?? `postmaster@${facts.domain}`;
  const lines = ["Next:"];
  if (facts.smtp.port !== 0) {
    lines.push(
      `  swaks --server ${reachable(facts.smtp)} --port ${facts.smtp.port} --to ${recipient}`,
    );
  }
  lines.push(`  ${CLI} domain add example.org`, `  ${CLI} user add ann@example.org`);
  if (facts.smtp.addresses.every(isLoopback)) {
    lines.push(
      "Only this machine can connect; set LISTEN_ADDRESS to change that (see config/.env.example).",
    );
  }
  return lines;
}

/** An address to connect to: a listener on all of them is met on loopback. */
function reachable({ addresses }: ListeningOn): string {
  const [address] = addresses;
  if (address === "0.0.0.0") return "127.0.0.1";
  return address === "::" ? "::1" : address;
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}
