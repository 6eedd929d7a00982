/** Names for queue id generators: each worker draws one when it starts (`engine/mail/queue_id.ts`). */
import type postgres from "postgres";

export async function nextGenerator(sql: postgres.Sql): Promise<number> {
  const [row] = await sql`SELECT nextval('queue_id_generators')::integer AS generator`;
  return row.generator;
}
