/**
 * Whether this server's secret key is the one the database's secrets were sealed with. The first server
 * to ask leaves a known text, sealed; every later one tries to open it.
 */
import type postgres from "postgres";
import type { SecretBox } from "../crypto/secret_box.ts";
import { guarded } from "./postgres_guarded.ts";

const CONTEXT = "secret proof";
const KNOWN_TEXT = "sealed with the secret key of this server";

/** "different": what others sealed cannot be opened with this key. @throws {StoreUnavailableError} */
export async function proveSecretKey(
  sql: postgres.Sql,
  box: Pick<SecretBox, "seal" | "open">,
): Promise<"same" | "different"> {
  return await guarded(async () => {
    const sealed = box.seal(new TextEncoder().encode(KNOWN_TEXT), CONTEXT);
    // Of two first servers one is later here, and reads what the other has left.
    await sql`INSERT INTO secret_proof (sealed) VALUES (${sealed}) ON CONFLICT DO NOTHING`;
    const [proof] = await sql<{ sealed: Uint8Array }[]>`SELECT sealed FROM secret_proof`;
    const opened = box.open(proof.sealed, CONTEXT);
    return opened !== null && new TextDecoder().decode(opened) === KNOWN_TEXT
      ? "same"
      : "different";
  });
}
