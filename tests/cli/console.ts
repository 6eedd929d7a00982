/** Commands of the `cli` run in this process, on an embedded database and DNS data in memory. */
import { COMMANDS } from "../../engine/cli.ts";
import type { CliSettings, CliStores } from "../../engine/cli/command.ts";
import { runCli } from "../../engine/cli/run.ts";
import { SecretBox } from "../../engine/crypto/secret_box.ts";
import { type ZoneData, ZoneResolver } from "../../engine/dns/zone_resolver.ts";
import { postgresCertificates } from "../../engine/store/postgres_certificates.ts";
import { postgresDirectory } from "../../engine/store/postgres_directory.ts";
import { postgresDmarcReports } from "../../engine/store/postgres_dmarc_reports.ts";
import { postgresHistory } from "../../engine/store/postgres_history.ts";
import { migrate } from "../../engine/store/postgres_migrate.ts";
import { postgresQuarantine } from "../../engine/store/postgres_quarantine.ts";
import { postgresSigningKeys } from "../../engine/store/postgres_signing_keys.ts";
import { postgresSpamMemory } from "../../engine/store/postgres_spam_memory.ts";
import { postgresSpool } from "../../engine/store/postgres_spool.ts";
import type { Spool } from "../../engine/store/spool.ts";
import { client, embeddedPostgres } from "../fixtures/embedded_postgres.ts";

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

export interface Console extends AsyncDisposable {
  readonly stores: CliStores;
  /** Runs a command; words of one text are parted at spaces. */
  run(words: string | readonly string[], stdin?: string): Promise<Said>;
  /** Its answer for programs. @throws unless it was done. */
  // deno-lint-ignore no-explicit-any
  json(words: string | readonly string[], stdin?: string): Promise<any>;
  publish(zone: ZoneData): void;
  /** What the server puts into the same database. */
  readonly spool: Spool;
  settings: CliSettings;
}

const SETTINGS: CliSettings = {
  hostname: "mx.sluice.test",
  domain: "localhost",
  listenAddresses: ["127.0.0.1"],
  ports: { smtp: 2525, submission: 2587, smtps: 2465, http: 9090 },
  dataDir: "/nonexistent",
  dnsServers: null,
  hasAcme: false,
  hasAcmeDns: false,
  spamRulesPath: null,
};

export async function openConsole(): Promise<Console> {
  await using cleanup = new AsyncDisposableStack();
  const { target } = cleanup.use(await embeddedPostgres());
  const sql = cleanup.use(client(target));
  await migrate(sql);
  let resolver = new ZoneResolver({});
  // No waiting until a change is seen.
  const options = { now: () => performance.now(), versionMaxAgeMs: 0 };
  const box = new SecretBox(crypto.getRandomValues(new Uint8Array(32)));
  const stores = {
    directory: postgresDirectory(sql, options),
    history: postgresHistory(sql),
    quarantine: postgresQuarantine(sql),
    dmarcReports: postgresDmarcReports(sql),
    signingKeys: postgresSigningKeys(sql, options),
    certificates: postgresCertificates(sql),
    spamMemory: postgresSpamMemory(sql, { now: Date.now }),
    secrets: () => Promise.resolve(box),
    applied: [],
    probes: [{
      name: "embedded Postgres",
      ask: async () => {
        await sql`SELECT`;
        return null;
      },
    }],
    get resolver() {
      return resolver;
    },
    get settings() {
      return opened.settings;
    },
  };
  const owned = cleanup.move();
  const opened: Console = {
    stores,
    settings: SETTINGS,
    spool: postgresSpool(sql),
    run: async (words, stdin = "") => {
      const lines = { out: [] as string[], error: [] as string[] };
      const code = await runCli(typeof words === "string" ? words.split(" ") : words, {
        commands: COMMANDS,
        settings: () => opened.settings,
        open: () =>
          Promise.resolve(Object.assign(Object.create(stores), {
            [Symbol.asyncDispose]: () => Promise.resolve(),
          })),
        readLine: () => Promise.resolve(stdin),
        out: (line) => lines.out.push(line),
        error: (line) => lines.error.push(line),
      });
      return { code, out: lines.out.join("\n"), error: lines.error.join("\n") };
    },
    json: async (words, stdin) => {
      const all = typeof words === "string" ? words.split(" ") : words;
      const said = await opened.run([...all, "--json"], stdin);
      if (said.code !== 0) throw new Error(`${all.join(" ")}: ${said.out}`);
      return JSON.parse(said.out);
    },
    publish: (zone) => {
      resolver = new ZoneResolver(zone);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  return opened;
}
