/**
 * The two sides of `judging.ts`: Postfix with rspamd as its milter, and Sluice. Both take mail of strangers for
 * one domain whose mailboxes are behind LMTP, ask the same DNS server, and have learnt from the same mail.
 */

import type { JudgedMail } from "./judged_mail.ts";
import type { JudgingOptions } from "./judging_options.ts";
import type { Contender } from "./peers/contender.ts";
import type { RunningNsd } from "./peers/nsd.ts";
import { postfixContender } from "./peers/postfix.ts";
import { postgresDirectory, startPostgres } from "./peers/postgres.ts";
import { startRedis } from "./peers/redis.ts";
import { startRspamd } from "./peers/rspamd.ts";
import { sluiceContender } from "./peers/sluice.ts";
import { pause, type Workplace } from "./process.ts";

export const RECIPIENT_DOMAIN = "judged.test";
export const RECIPIENT = `sink@${RECIPIENT_DOMAIN}`;

/** Messages of each kind that classifiers learn; rspamd's judges by none from 200 on. */
const LESSONS = 250;
/** Longer than Sluice believes what it knows of the directory. */
const DIRECTORY_STALE_MS = 2500;
/** As the limits are on by default, they count here too, and never refuse. */
const HIGH_RATE = "1000000/1m";

export interface Surroundings {
  readonly workplace: Workplace;
  readonly mail: JudgedMail;
  readonly dns: RunningNsd;
  readonly options: JudgingOptions;
  readonly stack: AsyncDisposableStack;
}

/** Postfix starts anew for each round; rspamd and its Redis stay, as the stores of the other side do. */
export async function rspamdSide(surroundings: Surroundings): Promise<Contender> {
  const { workplace, dns, options, stack } = surroundings;
  const lessons = await writeLessons(surroundings, "lessons-rspamd");
  const directory = `${workplace.directory}/rspamd-redis`;
  await Deno.mkdir(directory);
  const redis = stack.use(
    await startRedis({
      ...workplace,
      directory,
      port: (use) => workplace.port(use === "redis" ? "rspamdRedis" : use),
    }),
  );
  const rspamd = stack.use(
    await startRspamd(workplace, {
      dnsPort: dns.port,
      redisPort: workplace.port("rspamdRedis"),
      processes: options.rspamdProcesses,
    }),
  );
  for (const kind of ["ham", "spam"] as const) await rspamd.learn(kind, `${lessons}/${kind}`);
  const postfix = postfixContender(workplace, {
    maxSessions: 200,
    judging: { domain: RECIPIENT_DOMAIN, milterPort: rspamd.milterPort },
  });
  return {
    side: "postfix",
    start: async (role) => {
      const server = await postfix.start(role);
      const roots = {
        ...server.roots,
        filter: [rspamd.pid],
        redis: [redis.pid],
        dns: [dns.pid],
      };
      return { ...server, roots, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
    },
  };
}

export async function sluiceSide(surroundings: Surroundings): Promise<Contender> {
  const { workplace, dns, stack } = surroundings;
  const lessons = await writeLessons(surroundings, "lessons-sluice");
  const binDirectory = await postgresDirectory();
  if (binDirectory === null) throw new Error("Postgres is not installed");
  const postgres = stack.use(await startPostgres(workplace, binDirectory));
  const redis = stack.use(await startRedis(workplace));
  const sluice = sluiceContender(workplace, {
    stores: { postgres, redis },
    sessionWorkers: null,
    deliveryWorkers: null,
    settings: {
      SERVER_DOMAIN: RECIPIENT_DOMAIN,
      RELAY_NETWORKS: "",
      TRUSTED_NETWORKS: "none",
      DNS_SERVERS: `127.0.0.1:${dns.port}`,
      RATE_CONNECTIONS_PER_IP: HIGH_RATE,
      RATE_MESSAGES_PER_IP: HIGH_RATE,
      RATE_RECIPIENTS_PER_IP: HIGH_RATE,
    },
    prepare: async (command) => {
      await command("user", "add", RECIPIENT);
      const sink = `lmtp:127.0.0.1:${workplace.port("sink")}`;
      await command("domain", "set", RECIPIENT_DOMAIN, "--delivery", sink);
      for (const kind of ["ham", "spam"]) {
        await command("spam", "train", `--${kind}`, `${lessons}/${kind}`);
      }
      await pause(DIRECTORY_STALE_MS, workplace.signal);
    },
  });
  return {
    side: "sluice",
    start: async (role) => {
      const server = await sluice.start(role);
      const roots = { ...server.roots, dns: [dns.pid] };
      return { ...server, roots, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
    },
  };
}

async function writeLessons(surroundings: Surroundings, name: string): Promise<string> {
  const directory = `${surroundings.workplace.directory}/${name}`;
  for (const kind of ["ham", "spam"] as const) {
    await Deno.mkdir(`${directory}/${kind}`, { recursive: true });
    for (let lesson = 0; lesson < LESSONS; lesson++) {
      const text = surroundings.mail.example(kind);
      await Deno.writeTextFile(`${directory}/${kind}/${lesson}.eml`, text);
    }
  }
  return directory;
}
