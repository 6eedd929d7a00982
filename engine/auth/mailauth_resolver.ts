/**
 * Our resolver as mailauth asks for one: a function of name and type that answers as `dns.promises.resolve`
 * does, and fails with the codes of Node's. What is not there is a fact and an error with a code that says
 * so; any other code is a temporary error to mailauth.
 */
import type { DnsAnswer, MxRecord, Resolver, TempfailReason } from "../dns/resolver.ts";

/** Declared as mailauth does; MX records are objects all the same, as Node's are. */
export type MailauthResolver = (name: string, type: string) => Promise<string[] | string[][]>;

/** Adapts a resolver. What it answers with rejects with `code` on anything but records. */
export function mailauthResolver(resolver: Resolver): MailauthResolver {
  return async (name, type) => {
    switch (type.toUpperCase()) {
      case "A":
        return recordsOf(await resolver.a(name), name);
      case "AAAA":
        return recordsOf(await resolver.aaaa(name), name);
      case "PTR":
        return recordsOf(await resolver.ptr(name), name);
      case "CNAME":
        return recordsOf(await resolver.cname(name), name);
      case "TXT":
        return recordsOf(await resolver.txt(name), name).map((text) => [text]);
      case "MX":
        return recordsOf(await resolver.mx(name), name).map(nodeMx) as unknown as string[];
      default:
        throw failure("ENOTIMP", name);
    }
  };
}

function recordsOf<T>(answer: DnsAnswer<T>, name: string): T[] {
  switch (answer.kind) {
    case "found":
      return [...answer.records];
    case "nodata":
      throw failure("ENODATA", name);
    case "nxdomain":
      throw failure("ENOTFOUND", name);
    case "tempfail":
      throw failure(codeOf(answer.reason), name);
  }
}

function nodeMx({ preference, exchange }: MxRecord) {
  return { priority: preference, exchange };
}

function codeOf(reason: TempfailReason): string {
  switch (reason) {
    case "timeout":
      return "ETIMEOUT";
    case "refused":
      return "EREFUSED";
    case "servfail":
    case "malformed":
    case "cname_loop":
    case "unreachable":
    case "overloaded":
      return "ESERVFAIL";
  }
}

function failure(code: string, name: string): Error {
  return Object.assign(new Error(`${code} ${name.slice(0, 255)}`), { code });
}
