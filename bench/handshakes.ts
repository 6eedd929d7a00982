/**
 * TLS handshakes of STARTTLS sessions, Sluice with one session worker beside Postfix, with an ECDSA
 * P-256 and an RSA-2048 certificate: `deno task bench:tls`.
 *
 * The clients share the machine, so the rate alone would measure them as well: the server's processor
 * time for a session tells what one core of its own could do.
 */

import { shakeHands } from "./load_control.ts";
import { readCpu } from "./machine.ts";
import type { Side } from "./measurement.ts";
import type { Contender } from "./peers/contender.ts";
import { postfixContender, postfixObstacle } from "./peers/postfix.ts";
import type { BenchCertificate } from "./peers/postfix_config.ts";
import { sluiceContender } from "./peers/sluice.ts";
import { pause, portOffsets, run, type Workplace } from "./process.ts";
import { median } from "./statistics.ts";

const PORT_BASE = 12_100;
const ROUNDS = 3;
const CLIENTS = 16;
const HANDSHAKES = 1_500;
const WARM_UP_HANDSHAKES = 400;
/** What a server still does after its last client left. */
const SETTLE_MS = 250;

const KEYS = { "ECDSA P-256": ["ec:P-256"], "RSA-2048": ["rsa:2048"] } as const;
type KeyName = keyof typeof KEYS;

interface Sample {
  readonly side: Side;
  readonly key: KeyName;
  readonly perSecond: number;
  readonly serverMs: number;
  readonly protocol: string;
}

async function makeCertificate(directory: string, key: KeyName): Promise<BenchCertificate> {
  const name = key.replace(/\W/g, "_");
  const certPath = `${directory}/${name}.crt`;
  const keyPath = `${directory}/${name}.key`;
  const kind = KEYS[key][0] === "ec:P-256"
    ? ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    : [KEYS[key][0]];
  await run("openssl", [
    ...["req", "-x509", "-newkey", ...kind, "-nodes", "-days", "2", "-subj", "/CN=bench.test"],
    ...["-addext", "subjectAltName=DNS:bench.test", "-keyout", keyPath, "-out", certPath],
  ]);
  return { certPath, keyPath };
}

async function measure(contender: Contender, key: KeyName, signal: AbortSignal): Promise<Sample> {
  await using server = await contender.start("hold");
  const order = { host: "127.0.0.1", port: server.smtpPort, clients: CLIENTS };
  await shakeHands({ ...order, handshakes: WARM_UP_HANDSHAKES }, signal);
  await pause(SETTLE_MS, signal);
  const before = await readCpu(server.roots);
  const { seconds, protocol } = await shakeHands({ ...order, handshakes: HANDSHAKES }, signal);
  await pause(SETTLE_MS, signal);
  const after = await readCpu(server.roots);
  return {
    side: contender.side,
    key,
    perSecond: HANDSHAKES / seconds,
    serverMs: (after.groupsMs.server - before.groupsMs.server) / HANDSHAKES,
    protocol,
  };
}

function report(samples: readonly Sample[]): string {
  const lines = [
    "TLS by STARTTLS, a connection each: connect, EHLO, handshake, QUIT; medians",
    "",
    `${"".padEnd(24)}${"sessions/s".padStart(12)}${"server CPU".padStart(14)}${
      "a core's worth".padStart(18)
    }`,
  ];
  for (const key of Object.keys(KEYS) as KeyName[]) {
    for (const side of ["postfix", "sluice"] as const) {
      const own = samples.filter((sample) => sample.side === side && sample.key === key);
      const [perSecond, serverMs] = [
        median(own.map((sample) => sample.perSecond)),
        median(own.map((sample) => sample.serverMs)),
      ];
      if (perSecond === null || serverMs === null) continue;
      const columns = [
        `${side} ${key}`.padEnd(24),
        perSecond.toFixed(0).padStart(12),
        `${serverMs.toFixed(2)} ms`.padStart(14),
        `${(1000 / serverMs).toFixed(0)}/s`.padStart(18),
      ];
      lines.push(`${columns.join("")}   ${own[0].protocol}`);
    }
  }
  return lines.join("\n");
}

async function main(): Promise<void> {
  const interruption = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interruption.abort(new Error(`ended by ${signal}`)));
  }
  const { signal } = interruption;
  await using stack = new AsyncDisposableStack();
  const directory = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "sluice-bench-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  await Deno.chmod(directory, 0o755);
  const workplaceOf = (name: string): Workplace => ({
    directory: `${directory}/${name}`,
    signal,
    port: (use) => PORT_BASE + portOffsets[use],
  });
  const obstacle = await postfixObstacle();
  if (obstacle !== null) console.error(`Sluice alone: ${obstacle}`);
  const samples: Sample[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const key of Object.keys(KEYS) as KeyName[]) {
      const workplace = workplaceOf(`${round}-${key.replace(/\W/g, "_")}`);
      await Deno.mkdir(workplace.directory, { mode: 0o755 });
      const certificate = await makeCertificate(workplace.directory, key);
      const sluice = sluiceContender(workplace, {
        stores: null,
        sessionWorkers: 1,
        deliveryWorkers: null,
        certificate,
      });
      const postfix = postfixContender(workplace, { maxSessions: CLIENTS * 2, certificate });
      for (const contender of obstacle === null ? [postfix, sluice] : [sluice]) {
        const sample = await measure(contender, key, signal);
        samples.push(sample);
        console.error(`${sample.side} ${key}: ${sample.perSecond.toFixed(0)}/s`);
      }
    }
  }
  console.log(report(samples));
}

if (import.meta.main) await main();
