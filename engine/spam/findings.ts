/** What the signals of one message found, before it is weighed: each name once, save where several count. */
import type { SignalName } from "./signal_names.ts";

export interface Finding {
  /** Of `signal_names.ts`, or that of a rule of phrases. */
  readonly name: string;
  /** What the rule's points are multiplied by; 1 for what is simply so. */
  readonly amount: number;
  /** What it was found in: printable ASCII, bounded; empty when there is nothing to say. */
  readonly detail: string;
}

/** More than there are names. */
const MAX_FINDINGS = 250;
const MAX_DETAIL_CHARACTERS = 80;

export class Findings {
  readonly #all: Finding[] = [];
  readonly #names = new Set<string>();

  get all(): readonly Finding[] {
    return this.#all;
  }

  has(name: SignalName): boolean {
    return this.#names.has(name);
  }

  /** The first of a name stays. */
  add(name: SignalName, detail = "", amount = 1): void {
    if (!this.#names.has(name)) this.addEach(name, { detail, amount });
  }

  /** For what counts as often as it is found. */
  addEach(name: string, found: { readonly detail?: string; readonly amount?: number }): void {
    if (this.#all.length >= MAX_FINDINGS) return;
    this.#names.add(name);
    this.#all.push({ name, amount: found.amount ?? 1, detail: printable(found.detail ?? "") });
  }
}

function printable(text: string): string {
  return text.slice(0, MAX_DETAIL_CHARACTERS).replace(/[^\x20-\x7e]+/g, "?");
}
