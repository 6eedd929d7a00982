/** How mail of a sender was judged before, kept for all nodes. What a subject stands for is not known here. */

export interface StoredReputation {
  readonly subject: string;
  /** As of `updatedAtMs`. */
  readonly ham: number;
  readonly spam: number;
  readonly updatedAtMs: number;
}

export interface ReputationChange {
  readonly subject: string;
  readonly ham: number;
  readonly spam: number;
}

export interface ReputationStore {
  /** Those that are known, in any order. @throws {StoreUnavailableError} */
  read(subjects: readonly string[]): Promise<readonly StoredReputation[]>;
  /**
   * Adds to what the counts have faded to by then. @param changes a subject once. @throws {StoreUnavailableError}
   */
  add(
    changes: readonly ReputationChange[],
    options: { readonly atMs: number; readonly halfLifeMs: number },
  ): Promise<void>;
  /** Forgets what was not added to since; answers how many subjects. @throws {StoreUnavailableError} */
  forget(options: { readonly beforeMs: number; readonly signal: AbortSignal }): Promise<number>;
}
