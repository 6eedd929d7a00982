/**
 * Keeps the certificates that clients are served by name: opens those in the store, whoever put them there,
 * whenever they change, and has those issued and renewed that are due. Nodes that share a store issue one
 * at a time. A failure is kept beside its certificate for `cert list`, and tried again later.
 */
import { judgePair } from "../crypto/certificate_pair.ts";
import type { SecretBox } from "../crypto/secret_box.ts";
import type { NamedCertificate } from "../smtp/certificate_choice.ts";
import {
  certificateContext,
  type CertificateStore,
  type StoredCertificate,
} from "../store/certificates.ts";
import { issueAtMs, retryAtMs } from "./due.ts";
import type { Issuer } from "./issuer.ts";

export interface CertificateKeeperOptions {
  readonly store: CertificateStore;
  readonly secrets: Pick<SecretBox, "seal" | "open">;
  /** `null`: nothing is issued, only served. */
  readonly issuer: Issuer | null;
  /** Unix ms. */
  readonly now: () => number;
  readonly random: () => number;
  /** What is to be served from now on; called when it changed. */
  readonly onChange: (named: readonly NamedCertificate[]) => void;
  readonly onIssued: (name: string, notAfterMs: number) => void;
  readonly onFailed: (name: string, fault: string) => void;
  /** Trouble with the store, or a key that does not open. */
  readonly onError: (error: unknown) => void;
}

const CHECK_MS = 5_000;
const MAX_FAULT_CHARACTERS = 300;

export class CertificateKeeper implements AsyncDisposable {
  readonly #options: CertificateKeeperOptions;
  readonly #ended = Promise.withResolvers<void>();
  #isEnded = false;
  #version: string | null = null;
  #served = "";
  #loops: Promise<void>[] = [];

  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
  }

  /** Calls `onChange` when the store holds something else than before. @throws {StoreUnavailableError} */
  async refresh(): Promise<void> {
    const { store, onChange } = this.#options;
    const version = await store.version();
    if (version === this.#version) return;
    const named = (await store.certificates()).flatMap((each) => this.#open(each) ?? []);
    this.#version = version;
    // The version is that of all accounts and domains: most of its changes are none here.
    const served = JSON.stringify(named.map(({ names, cert }) => [names, cert]));
    if (served === this.#served) return;
    this.#served = served;
    onChange(named);
  }

  /** Looks again and again until disposed of. */
  start(): void {
    this.#loops.push(this.#every(() => this.refresh()));
    if (this.#options.issuer !== null) this.#loops.push(this.#every(() => this.#issueDue()));
  }

  /** What is being issued is left to end by itself, or to be found by whoever comes next. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnded = true;
    this.#ended.resolve();
    await Promise.race([
      Promise.all(this.#loops),
      new Promise((resolve) => setTimeout(resolve, 1_000)),
    ]);
  }

  #open(certificate: StoredCertificate): NamedCertificate | null {
    const { name, chain, sealedPrivateKey, notAfterMs } = certificate;
    if (chain === null || sealedPrivateKey === null || notAfterMs === null) return null;
    const key = this.#options.secrets.open(sealedPrivateKey, certificateContext(name));
    if (key === null) {
      this.#options.onError(new Error(`the key of the certificate for ${name} does not open`));
      return null;
    }
    return { names: [name], cert: chain, key: new TextDecoder().decode(key), notAfterMs };
  }

  async #issueDue(): Promise<void> {
    const { store } = this.#options;
    if ((await this.#due()).length === 0) return;
    await store.exclusively(async () => {
      // Asked again, since another node may just have issued them.
      for (const certificate of await this.#due()) {
        if (!this.#isEnded) await this.#issue(certificate.name);
      }
    });
    await this.refresh();
  }

  async #due(): Promise<readonly StoredCertificate[]> {
    const { store, now } = this.#options;
    return (await store.certificates()).filter((certificate) => {
      const atMs = issueAtMs(certificate);
      return atMs !== null && atMs <= now();
    });
  }

  async #issue(name: string): Promise<void> {
    const { issuer, secrets, now, random, onIssued, onFailed } = this.#options;
    try {
      const { chain, privateKey: key } = await issuer!.issue(name);
      const judgement = judgePair({ chain, key, name, nowMs: now() });
      if (judgement.kind === "fault") throw new Error(judgement.fault);
      const octets = new TextEncoder().encode(judgement.privateKey);
      await this.#update(name, {
        chain: judgement.chain,
        sealedPrivateKey: secrets.seal(octets, certificateContext(name)),
        notAfterMs: judgement.notAfterMs,
        fault: null,
        retryAtMs: null,
      });
      onIssued(name, judgement.notAfterMs);
    } catch (error) {
      const fault = faultOf(error);
      onFailed(name, fault);
      await this.#update(name, { fault, retryAtMs: retryAtMs({ nowMs: now(), random }) });
    }
  }

  /** Leaves alone what was removed, or given from files, while the issuer was at work. */
  async #update(name: string, change: Partial<StoredCertificate>): Promise<void> {
    const { store } = this.#options;
    const known = (await store.certificates()).find((each) => each.name === name);
    if (known?.source === "acme") await store.put({ ...known, ...change });
  }

  async #every(run: () => Promise<void>): Promise<void> {
    while (!this.#isEnded) {
      await run().catch(this.#options.onError);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, CHECK_MS);
      await Promise.race([promise, this.#ended.promise]);
      clearTimeout(timer);
    }
  }
}

/** What an issuer said, on one line. */
function faultOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x20\x7f-\x9f]+/g, " ").trim().slice(0, MAX_FAULT_CHARACTERS)
    .toWellFormed();
}
