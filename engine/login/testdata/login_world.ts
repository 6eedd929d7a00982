/** A directory of a few users, counters, and as many authenticators over them as a test wants. */
import { Buffer } from "node:buffer";
import { scryptSync } from "node:crypto";
import { verifyPassword } from "../../crypto/password.ts";
import { SecretBox } from "../../crypto/secret_box.ts";
import type { Counters } from "../../store/counters.ts";
import type { Account } from "../../store/directory.ts";
import { StoreUnavailableError } from "../../store/errors.ts";
import { memoryCounters } from "../../store/memory_counters.ts";
import {
  Authenticator,
  DEFAULT_LOGIN_LIMITS,
  type LoginLimits,
  type LoginResult,
} from "../authenticator.ts";
import type { Credentials } from "../sasl.ts";

export const HOME = { address: "192.0.2.1" };
export const AWAY = { address: "198.51.100.7" };

/** A hash that verifies in a moment, for tests that are about something else. */
export function quickHash(password: string): string {
  const text = (octets: Uint8Array) => Buffer.from(octets).toString("base64").replace(/=+$/, "");
  const salt = new Uint8Array(16);
  const hash = scryptSync(password, salt, 32, { N: 16, r: 1, p: 1 });
  return `$scrypt$ln=4,r=1,p=1$${text(salt)}$${text(hash)}`;
}

function accountOf(localPart: string, passwordHash: string, more: Partial<Account> = {}): Account {
  return {
    user: { domain: "example.org", localPart },
    isDisabled: false,
    passwordHash,
    appPasswords: [],
    sealedCramSecret: null,
    messagesPerHour: null,
    messagesPerDay: null,
    senders: [],
    ...more,
  };
}

/** What a client says by PLAIN. */
export function said(name: string, password: string, authorizationId?: string): Credentials {
  const said = { kind: "password", method: "PLAIN", name, password } as const;
  return authorizationId === undefined ? said : { ...said, authorizationId };
}

export const BOX = new SecretBox(new Uint8Array(32).fill(7));

/** `compared`: the hashes compared with, in order; `state` is the test's to change. */
export function world(options: { limits?: Partial<LoginLimits> } = {}) {
  const state = { nowMs: 1_700_000_000_000, isAway: false, storeCalls: 0 };
  const now = () => state.nowMs;
  const accounts = new Map<string, Account>();
  const store = memoryCounters({ now });
  const asked = <T>(call: () => Promise<T>): Promise<T> => {
    state.storeCalls++;
    return state.isAway ? Promise.reject(new StoreUnavailableError("away")) : call();
  };
  const counters: Counters = {
    take: (claims) => asked(() => store.take(claims)),
    add: (counts) => asked(() => store.add(counts)),
    read: (windows) => asked(() => store.read(windows)),
    giveBack: (counts) => asked(() => store.giveBack(counts)),
    reset: (windows) => asked(() => store.reset(windows)),
  };
  const compared: (string | null)[] = [];
  return {
    state,
    store,
    compared,
    put(localPart: string, passwordHash: string, more: Partial<Account> = {}) {
      accounts.set(localPart, accountOf(localPart, passwordHash, more));
    },
    remove(localPart: string) {
      accounts.delete(localPart);
    },
    open: () =>
      new Authenticator({
        accounts: {
          account: ({ domain, localPart }) =>
            Promise.resolve(domain === "example.org" ? accounts.get(localPart) ?? null : null),
        },
        counters,
        verifyPassword(password, encodedHash) {
          compared.push(encodedHash);
          return verifyPassword(password, encodedHash);
        },
        openSecret: (sealed, context) => BOX.open(sealed, context),
        isStoreAway: (error) => error instanceof StoreUnavailableError,
        defaultDomain: "example.org",
        cacheKey: crypto.getRandomValues(new Uint8Array(32)),
        limits: { ...DEFAULT_LOGIN_LIMITS, ...options.limits },
        now,
      }),
  };
}

/** A result in a few words. */
export function told(result: LoginResult): string {
  switch (result.kind) {
    case "granted":
      return `granted ${result.account.user.localPart}`;
    case "refused":
      return result.reason;
    case "locked_out":
      return `locked out: ${result.scope}`;
    case "unavailable":
      return `unavailable: ${result.reason}`;
  }
}
