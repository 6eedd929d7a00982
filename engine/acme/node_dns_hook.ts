/** Tells a program of the operator's, by HTTP, which TXT record to publish for dns-01 and to remove again. */
import { Buffer } from "node:buffer";
import type { DnsHook } from "./prover.ts";

/** The hook answers once every name server of the domain has the record. */
const TIMEOUT_MS = 5 * 60_000;

/** @param url with a user and password where the hook asks for them. */
export function nodeDnsHook(url: string): DnsHook {
  const { href, authorization } = withoutCredentials(url);
  return async (action, { name, value }) => {
    const response = await ask(href, {
      method: "POST",
      headers: { "content-type": "application/json", ...authorization },
      body: JSON.stringify({ action, name, type: "TXT", value }),
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the DNS hook answers ${response.status} to ${action}`);
  };
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    // What fetch says may hold the address, and the address a password.
    throw new Error("the DNS hook is not reached", { cause });
  }
}

function withoutCredentials(text: string) {
  const url = new URL(text);
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = "";
  url.password = "";
  const authorization: Record<string, string> = pair === ":"
    ? {}
    : { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
  return { href: url.href, authorization };
}
