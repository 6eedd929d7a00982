/**
 * Proves to an issuer that names are ours: by HTTP, answered by whichever node is asked (RFC 8555 §8.3), or
 * by DNS, where a hook of the operator's publishes the record (RFC 8555 §8.4).
 */
import type { Route } from "../admin/routes.ts";
import type { CertificateStore } from "../store/certificates.ts";
import type { Proof, Prover } from "./issuer.ts";

export interface ProverOptions {
  readonly challenges: Pick<CertificateStore, "putChallenge" | "challenge" | "removeChallenge">;
  /** Whether somebody answers at the port that http-01 asks at. */
  readonly answersHttp: boolean;
  /** `null`: no dns-01. */
  readonly dnsHook: DnsHook | null;
}

/** @throws {Error} with a reason for people */
export type DnsHook = (
  action: "publish" | "remove",
  record: { readonly name: string; readonly value: string },
) => Promise<void>;

export function prover({ challenges, answersHttp, dnsHook }: ProverOptions): Prover {
  const told = (action: "publish" | "remove", record: { name: string; value: string }) => {
    if (dnsHook === null) throw new Error("no hook publishes records");
    return dnsHook(action, record);
  };
  return {
    gives: (kind) => kind === "http-01" ? answersHttp : dnsHook !== null,
    publish: async (proof: Proof) => {
      if (proof.kind === "dns-01") return await told("publish", proof);
      await challenges.putChallenge(proof.token, proof.keyAuthorization);
    },
    withdraw: async (proof: Proof) => {
      if (proof.kind === "dns-01") return await told("remove", proof);
      await challenges.removeChallenge(proof.token);
    },
  };
}

/** RFC 8555 §8.3: a token is base64url of at least 128 bits. */
const TOKEN = /^[A-Za-z0-9_-]{16,256}$/;

/** Where an issuer asks for http-01. */
export function challengeRoute({ challenges }: Pick<ProverOptions, "challenges">): Route {
  const notFound = () => new Response("not found\n", { status: 404 });
  return {
    path: "/.well-known/acme-challenge/:token",
    methods: {
      GET: async (_request, { params }) => {
        if (!TOKEN.test(params.token)) return notFound();
        const answer = await challenges.challenge(params.token);
        if (answer === null) return notFound();
        return new Response(answer, { headers: { "content-type": "application/octet-stream" } });
      },
    },
  };
}
