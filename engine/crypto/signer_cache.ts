/**
 * Signers kept open by name, since opening one costs more than a signature. Bounded: beyond it, the one asked
 * for least lately is closed.
 */
import type { Signer } from "./signer.ts";

export class SignerCache {
  readonly #maxSigners: number;
  /** Whichever was asked for last stands last. */
  readonly #signers = new Map<string, Signer>();

  constructor(maxSigners: number) {
    this.#maxSigners = maxSigners;
  }

  /** The signer of this name, open until `maxSigners` others were asked for since; `null` as `open` says. */
  get(name: string, open: () => Signer | null): Signer | null {
    const signer = this.#signers.get(name) ?? open();
    if (signer === null) return null;
    this.#signers.delete(name);
    this.#signers.set(name, signer);
    if (this.#signers.size > this.#maxSigners) this.#closeOldest();
    return signer;
  }

  #closeOldest(): void {
    const [[name, signer]] = this.#signers;
    this.#signers.delete(name);
    signer[Symbol.dispose]();
  }
}
