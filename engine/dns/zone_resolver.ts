/**
 * A resolver over zone data in memory, for tests: answers as a recursive server over that data would
 * and fails for the names it is told to.
 */
import { MAX_CNAMES } from "./answer.ts";
import { canonicalAddress, canonicalName } from "./name.ts";
import type {
  DnsAnswer,
  MxRecord,
  Resolver,
  SrvRecord,
  TempfailReason,
  TlsaRecord,
} from "./resolver.ts";

/** Names with what is there; plain JSON. Names above one that is listed exist too, without records. */
export type ZoneData = Readonly<Record<string, ZoneName>>;

export interface ZoneName {
  readonly a?: readonly string[] | TempfailReason;
  readonly aaaa?: readonly string[] | TempfailReason;
  readonly mx?: readonly MxRecord[] | TempfailReason;
  readonly txt?: readonly string[] | TempfailReason;
  readonly ptr?: readonly string[] | TempfailReason;
  readonly srv?: readonly SrvRecord[] | TempfailReason;
  readonly tlsa?: readonly ZoneTlsa[] | TempfailReason;
  readonly cname?: string;
  /** Every question about the name ends so. */
  readonly fails?: TempfailReason;
  /** Seconds; 300 unless told. */
  readonly ttlS?: number;
  /** The name lies in a signed zone; not so unless told. */
  readonly authenticated?: boolean;
}

export interface ZoneTlsa extends Omit<TlsaRecord, "certificate"> {
  /** In hexadecimal. */
  readonly certificate: string;
}

type ZoneType = "a" | "aaaa" | "mx" | "txt" | "ptr" | "srv" | "tlsa";

const DEFAULT_TTL_S = 300;

export class ZoneResolver implements Resolver {
  readonly #names = new Map<string, ZoneName>();

  /** @throws {RangeError} for a name that is none. */
  constructor(data: ZoneData) {
    for (const [anyName, zoneName] of Object.entries(data)) {
      this.#names.set(nameOf(anyName), zoneName);
    }
    for (const name of [...this.#names.keys()]) {
      // RFC 8020 §2: where a name exists, so do all above it.
      for (let at = name.indexOf("."); at > 0; at = name.indexOf(".", at + 1)) {
        const above = name.slice(at + 1);
        if (!this.#names.has(above)) this.#names.set(above, {});
      }
    }
  }

  a(name: string): Promise<DnsAnswer<string>> {
    return this.#answer(name, "a", (address: string) => address);
  }

  aaaa(name: string): Promise<DnsAnswer<string>> {
    return this.#answer(name, "aaaa", (address: string) => canonicalAddress(address) ?? address);
  }

  mx(name: string): Promise<DnsAnswer<MxRecord>> {
    return this.#answer(name, "mx", ({ preference, exchange }: MxRecord) => ({
      preference,
      exchange: nameOf(exchange),
    }));
  }

  txt(name: string): Promise<DnsAnswer<string>> {
    return this.#answer(name, "txt", (text: string) => text);
  }

  ptr(name: string): Promise<DnsAnswer<string>> {
    return this.#answer(name, "ptr", nameOf);
  }

  srv(name: string): Promise<DnsAnswer<SrvRecord>> {
    return this.#answer(name, "srv", (record: SrvRecord) => ({
      ...record,
      target: nameOf(record.target),
    }));
  }

  tlsa(name: string): Promise<DnsAnswer<TlsaRecord>> {
    return this.#answer(name, "tlsa", (record: ZoneTlsa) => ({
      ...record,
      certificate: Uint8Array.fromHex(record.certificate),
    }));
  }

  cname(anyName: string): Promise<DnsAnswer<string>> {
    const name = canonicalName(anyName);
    const zoneName = name === null ? undefined : this.#names.get(name);
    if (zoneName === undefined) return Promise.resolve({ kind: "nxdomain" });
    if (zoneName.fails !== undefined) {
      return Promise.resolve({ kind: "tempfail", reason: zoneName.fails });
    }
    if (zoneName.cname === undefined) return Promise.resolve({ kind: "nodata" });
    return Promise.resolve({
      kind: "found",
      records: [nameOf(zoneName.cname)],
      ttlS: zoneName.ttlS ?? DEFAULT_TTL_S,
      authenticated: zoneName.authenticated ?? false,
    });
  }

  // deno-lint-ignore require-await
  async #answer<R, T>(
    anyName: string,
    type: ZoneType,
    shape: (record: R) => T,
  ): Promise<DnsAnswer<T>> {
    let name = canonicalName(anyName);
    let ttlS = Infinity;
    let authenticated = true;
    for (let cnames = 0; cnames <= MAX_CNAMES; cnames++) {
      const zoneName = name === null ? undefined : this.#names.get(name);
      if (zoneName === undefined) return { kind: "nxdomain" };
      if (zoneName.fails !== undefined) return { kind: "tempfail", reason: zoneName.fails };
      ttlS = Math.min(ttlS, zoneName.ttlS ?? DEFAULT_TTL_S);
      authenticated &&= zoneName.authenticated ?? false;
      if (zoneName.cname !== undefined) {
        name = canonicalName(zoneName.cname);
        continue;
      }
      const records = zoneName[type];
      if (typeof records === "string") return { kind: "tempfail", reason: records };
      if (records === undefined || records.length === 0) return { kind: "nodata" };
      // Each type's property holds what its method's `shape` takes.
      return { kind: "found", records: (records as readonly R[]).map(shape), ttlS, authenticated };
    }
    return { kind: "tempfail", reason: "cname_loop" };
  }
}

function nameOf(anyName: string): string {
  const name = canonicalName(anyName);
  if (name === null) throw new RangeError(`not a domain name: ${anyName}`);
  return name;
}
