import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { nodeExchange } from "./node_exchange.ts";
import type { DnsServer } from "./servers.ts";
import { StubResolver } from "./stub_resolver.ts";
import { assertConforms, ORIGINS, zoneFile } from "./testdata/conformance.ts";

const NSD = "/usr/sbin/nsd";
const SERVER: DnsServer = { host: "127.0.0.1", port: 5310 };
const STARTS_WITHIN_MS = 10_000;

/** Runs nsd over the zones of the conformance suite, in a directory of its own. */
async function startNsd(): Promise<AsyncDisposable> {
  const dir = await Deno.makeTempDir({ dir: "/tmp" });
  const zones = ORIGINS.map((origin) => `zone:\n  name: ${origin}\n  zonefile: ${origin}.zone\n`);
  for (const origin of ORIGINS) {
    await Deno.writeTextFile(`${dir}/${origin}.zone`, zoneFile(origin));
  }
  const settings = [
    `ip-address: ${SERVER.host}@${SERVER.port}`,
    `zonesdir: ${dir}`,
    `pidfile: ${dir}/nsd.pid`,
    `xfrdfile: ${dir}/xfrd.state`,
    `zonelistfile: ${dir}/zone.list`,
    `xfrdir: ${dir}`,
    'database: ""',
    'username: ""',
    'chroot: ""',
    "server-count: 1",
  ];
  await Deno.writeTextFile(
    `${dir}/nsd.conf`,
    `server:\n${settings.map((line) => `  ${line}\n`).join("")}` +
      `remote-control:\n  control-enable: no\n${zones.join("")}`,
  );
  const process = new Deno.Command(NSD, {
    args: ["-d", "-c", `${dir}/nsd.conf`],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await waitUntilListening();
  } catch (error) {
    process.kill();
    await process.status;
    throw error;
  }
  return {
    async [Symbol.asyncDispose]() {
      process.kill();
      await process.status;
      await Deno.remove(dir, { recursive: true });
    },
  };
}

async function waitUntilListening(): Promise<void> {
  const deadlineMs = performance.now() + STARTS_WITHIN_MS;
  while (true) {
    const socket = connect(SERVER.port, SERVER.host);
    try {
      await once(socket, "connect");
      return;
    } catch (error) {
      if (performance.now() > deadlineMs) throw new Error("nsd does not listen", { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      socket.destroy();
    }
  }
}

async function isInstalled(): Promise<boolean> {
  try {
    return (await Deno.stat(NSD)).isFile;
  } catch {
    console.warn(`${NSD} is not installed: the tests against it are left out`);
    return false;
  }
}

Deno.test({
  name: "StubResolver: conforms over nsd, TCP for long answers included",
  ignore: !await isInstalled(),
  async fn() {
    await using _nsd = await startNsd();
    await using resolver = new StubResolver({ servers: [SERVER], exchange: nodeExchange });
    await assertConforms(resolver);
    // nsd refuses what lies outside its zones.
    const elsewhere = await resolver.a("example.com");
    assert.deepEqual(elsewhere, { kind: "tempfail", reason: "refused" });
  },
});
