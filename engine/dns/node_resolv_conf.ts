/** The DNS servers this machine is set up to use. */
import { readFile } from "node:fs/promises";
import { type DnsServer, parseResolvConf } from "./servers.ts";

/** Servers of `/etc/resolv.conf`; a machine without the file is taken to run one itself. */
export async function systemServers(path = "/etc/resolv.conf"): Promise<readonly DnsServer[]> {
  try {
    return parseResolvConf(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return parseResolvConf("");
    throw error;
  }
}
