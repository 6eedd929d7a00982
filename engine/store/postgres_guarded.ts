/** What a store on Postgres does is one call; its trouble comes out as `StoreUnavailableError`. */
import { asStoreError } from "./postgres_client.ts";

/** Answers what `run` answers. @throws {StoreUnavailableError} where `asStoreError` says so. */
export async function guarded<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw asStoreError(error);
  }
}

const FOREIGN_KEY_VIOLATION = "23503";

/** Whether a statement failed because a row it refers to is missing, or refers to the row it removes. */
export function isForeignKeyViolation(error: unknown): boolean {
  return (error as { code?: unknown }).code === FOREIGN_KEY_VIOLATION;
}
