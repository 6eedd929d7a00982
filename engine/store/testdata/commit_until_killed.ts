/** Commits rows one by one and prints each id once it is acknowledged; started and killed by a test. */
import { startEmbeddedPostgres } from "../pglite_host.ts";
import { connectPostgres } from "../postgres_client.ts";

const [dataDir] = Deno.args;
const database = await startEmbeddedPostgres({
  dataDir,
  onFatal: (error) => {
    console.error(error.message);
    Deno.exit(1);
  },
});
const sql = connectPostgres(
  { kind: "embedded", socketPath: database.socketPath },
  { max: 1, applicationName: "test" },
);
await sql`CREATE TABLE IF NOT EXISTS kept (id bigserial PRIMARY KEY, octets bytea NOT NULL)`;
const octets = crypto.getRandomValues(new Uint8Array(2048));
const encoder = new TextEncoder();
for (;;) {
  const [{ id }] = await sql`INSERT INTO kept (octets) VALUES (${octets}) RETURNING id`;
  Deno.stdout.writeSync(encoder.encode(`${id}\n`));
}
