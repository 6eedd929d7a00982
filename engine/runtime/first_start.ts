/** What a server makes for itself when it starts for the first time: its node's name, its first domain. */
import type { DirectoryAdmin } from "../store/directory.ts";

/** The node's name, kept in `dataDir`; leases are held under it. */
export async function nodeName(dataDir: string): Promise<string> {
  const path = `${dataDir}/node`;
  try {
    const known = (await Deno.readTextFile(path)).trim();
    if (/^[0-9a-f]{12}$/.test(known)) return known;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const name = crypto.randomUUID().replaceAll("-", "").slice(0, 12);
  await Deno.writeTextFile(path, `${name}\n`, { mode: 0o600 });
  return name;
}

export interface NewUser {
  readonly address: string;
  /** Shown once, kept nowhere. */
  readonly password: string;
}

/** Makes the first domain and its first mailbox where there is no domain yet. */
export async function firstUser(
  directory: DirectoryAdmin,
  options: {
    readonly domain: string;
    readonly newPassword: () => string;
    readonly hash: (password: string) => Promise<string>;
  },
): Promise<NewUser | null> {
  if ((await directory.domains()).length > 0) return null;
  const { domain, newPassword, hash } = options;
  await directory.addDomain(domain);
  const password = newPassword();
  const added = await directory.addUser({ domain, localPart: "admin" }, await hash(password));
  return added === "added" ? { address: `admin@${domain}`, password } : null;
}
