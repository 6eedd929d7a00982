/** A private DNS server over one or more zones, the same for both sides. */

import { installed, listening, startLogged, stop, type Workplace } from "../process.ts";

export interface RunningNsd extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

/** `null`, or why it cannot take part. */
export async function nsdObstacle(): Promise<string | null> {
  return await installed("nsd") ? null : "nsd is not installed";
}

/** @param zones contents of zone files by origin. */
export async function startNsd(
  workplace: Workplace,
  zones: Readonly<Record<string, string>>,
): Promise<RunningNsd> {
  const directory = `${workplace.directory}/nsd`;
  const port = workplace.port("dns");
  const logPath = `${workplace.directory}/nsd.log`;
  await using cleanup = new AsyncDisposableStack();
  await Deno.mkdir(directory);
  cleanup.defer(() => Deno.remove(directory, { recursive: true }));
  for (const [origin, text] of Object.entries(zones)) {
    await Deno.writeTextFile(`${directory}/${origin}.zone`, text);
  }
  const server = [
    `ip-address: 127.0.0.1@${port}`,
    `zonesdir: ${directory}`,
    `pidfile: ${directory}/nsd.pid`,
    `xfrdfile: ${directory}/xfrd.state`,
    `zonelistfile: ${directory}/zone.list`,
    `xfrdir: ${directory}`,
    ...['database: ""', 'username: ""', 'chroot: ""', "server-count: 1"],
  ].map((line) => `  ${line}\n`).join("");
  const listed = Object.keys(zones)
    .map((origin) => `zone:\n  name: ${origin}\n  zonefile: ${origin}.zone\n`).join("");
  await Deno.writeTextFile(
    `${directory}/nsd.conf`,
    `server:\n${server}remote-control:\n  control-enable: no\n${listed}`,
  );
  const child = startLogged(["nsd", "-d", "-c", `${directory}/nsd.conf`], { logPath });
  cleanup.defer(() => stop(child));
  await listening(port, { signal: workplace.signal, child, logPath });
  const owned = cleanup.move();
  return { pid: child.pid, port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
