/** A store did not answer, or answered with a fault of its own: the outcome is unknown. */
export class StoreUnavailableError extends Error {
  override name = "StoreUnavailableError";
}
