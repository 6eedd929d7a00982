/**
 * Certificates by ACME (RFC 8555), through acme-client. Each is asked for under a new ECDSA P-256 key. The
 * account's key is kept, sealed; the account itself is asked for anew each time, which costs a request and
 * survives an issuer that forgot it.
 */
import { Buffer } from "node:buffer";
import acme from "acme-client";
import type { SecretBox } from "../crypto/secret_box.ts";
import { acmeAccountContext, type CertificateStore } from "../store/certificates.ts";
import type { IssuedCertificate, Issuer, Proof, Prover } from "./issuer.ts";

export interface NodeAcmeIssuerOptions {
  readonly directoryUrl: string;
  /** Told of trouble with certificates. */
  readonly email: string | null;
  readonly accounts: Pick<CertificateStore, "account" | "putAccount">;
  readonly secrets: Pick<SecretBox, "seal" | "open">;
  readonly prover: Prover;
}

type Authorization = acme.Authorization;
type Challenge = Authorization["challenges"][number];

const REQUEST_TIMEOUT_MS = 30_000;
const MAX_ANSWER_OCTETS = 1024 * 1024;
/** Polling for the issuer's verdict: ten looks over some three minutes. */
const POLLING = { backoffAttempts: 10, backoffMin: 1_000, backoffMax: 30_000 };
/** Of all an issuer may take for one certificate. */
const ISSUE_TIMEOUT_MS = 10 * 60_000;

export class NodeAcmeIssuer implements Issuer {
  readonly #options: NodeAcmeIssuerOptions;

  constructor(options: NodeAcmeIssuerOptions) {
    this.#options = options;
    const { defaults } = acme.axios;
    // Node's HTTPS in Deno asks for a permission that can only be had together with all of its kind.
    defaults.adapter = "fetch";
    defaults.timeout = REQUEST_TIMEOUT_MS;
    defaults.maxContentLength = MAX_ANSWER_OCTETS;
    // A later try of ours is soon enough; acme-client would wait in between for as long as it is told to.
    Object.assign(defaults, { acmeSettings: { retryMaxAttempts: 1, retryDefaultDelay: 1 } });
  }

  async issue(name: string): Promise<IssuedCertificate> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error("the issuer takes too long")),
      ISSUE_TIMEOUT_MS,
    );
    try {
      return await Promise.race([late, this.#issue(name)]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #issue(name: string): Promise<IssuedCertificate> {
    const client = await this.#client();
    const order = await client.createOrder({ identifiers: [{ type: "dns", value: name }] });
    for (const authorization of await client.getAuthorizations(order)) {
      if (authorization.status !== "valid") await this.#prove(client, authorization);
    }
    const [key, csr] = await acme.crypto.createCsr(
      { commonName: name, altNames: [name] },
      await acme.crypto.createPrivateEcdsaKey("P-256"),
    );
    const finalized = await client.finalizeOrder(order, csr);
    return { chain: await client.getCertificate(finalized), privateKey: key.toString() };
  }

  async #client(): Promise<acme.Client> {
    const { directoryUrl, email, accounts, secrets } = this.#options;
    const context = acmeAccountContext(directoryUrl);
    const known = await accounts.account(directoryUrl);
    const opened = known && secrets.open(known.sealedPrivateKey, context);
    const accountKey = opened === null
      ? await acme.crypto.createPrivateEcdsaKey("P-256")
      : Buffer.from(opened);
    const client = new acme.Client({ directoryUrl, accountKey, ...POLLING });
    await client.createAccount({
      termsOfServiceAgreed: true,
      ...(email === null ? {} : { contact: [`mailto:${email}`] }),
    });
    const accountUrl = client.getAccountUrl();
    if (opened === null || known?.accountUrl !== accountUrl) {
      const sealedPrivateKey = secrets.seal(new Uint8Array(accountKey), context);
      await accounts.putAccount({ directoryUrl, accountUrl, sealedPrivateKey });
    }
    return client;
  }

  async #prove(client: acme.Client, authorization: Authorization): Promise<void> {
    const { prover } = this.#options;
    const challenge = this.#choose(authorization);
    const proof = proofOf(
      authorization,
      challenge,
      await client.getChallengeKeyAuthorization(challenge),
    );
    try {
      await prover.publish(proof);
      await client.completeChallenge(challenge);
      await client.waitForValidStatus(challenge);
    } finally {
      // What stays behind is of no use to anybody.
      await prover.withdraw(proof).catch(() => {});
    }
  }

  /** By HTTP where that can be, which needs nobody's help. */
  #choose(authorization: Authorization): Challenge {
    const offered = authorization.challenges;
    for (const kind of ["http-01", "dns-01"] as const) {
      const challenge = offered.find(({ type }) => type === kind);
      if (challenge !== undefined && this.#options.prover.gives(kind)) return challenge;
    }
    const kinds = offered.map(({ type }) => type).join(", ");
    throw new Error(`the issuer asks for ${kinds}, of which nothing is set up here`);
  }
}

function proofOf(
  { identifier }: Authorization,
  challenge: Challenge,
  keyAuthorization: string,
): Proof {
  return challenge.type === "dns-01"
    // RFC 8555 §8.4; acme-client has hashed it already.
    ? { kind: "dns-01", name: `_acme-challenge.${identifier.value}`, value: keyAuthorization }
    : { kind: "http-01", token: challenge.token, keyAuthorization };
}
