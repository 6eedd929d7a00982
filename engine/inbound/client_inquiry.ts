/** What is found out about a client while its session goes on: asked early, waited for when it matters. */
import { listWeight } from "../limits/connection_policy.ts";
import type { ClientFacts, HeloFault } from "../spam/facts.ts";
import type { ClientQuestions } from "./services.ts";

export class ClientInquiry {
  readonly #questions: ClientQuestions;
  readonly #address: string;
  #lists: Promise<ClientFacts["lists"]> = Promise.resolve([]);
  #reverse: Promise<ClientFacts["reverse"]> | null = null;
  #heloName = "";
  /** `null` until somebody asks: a client may greet as often as it likes. */
  #heloFaults: Promise<readonly HeloFault[]> | null = null;
  #listWeight = 0;

  constructor(questions: ClientQuestions, address: string) {
    this.#questions = questions;
    this.#address = address;
  }

  get heloName(): string {
    return this.#heloName;
  }

  /** What the lists say as far as they have answered. */
  get listWeight(): number {
    return this.#listWeight;
  }

  begin(): void {
    this.#reverse = this.#questions.reverseName(this.#address);
    this.#lists = this.#questions.lists(this.#address);
    this.#lists.then((lists) => this.#listWeight = listWeight(lists));
  }

  hello(heloName: string): void {
    if (heloName === this.#heloName) return;
    this.#heloName = heloName;
    this.#heloFaults = null;
  }

  async facts(): Promise<ClientFacts> {
    this.#heloFaults ??= this.#questions.heloFaults(this.#heloName, this.#address);
    const [lists, reverse, heloFaults] = await Promise.all([
      this.#lists,
      this.#reverse ?? { verdict: "none" as const, name: null },
      this.#heloFaults,
    ]);
    return { address: this.#address, heloName: this.#heloName, lists, reverse, heloFaults };
  }
}
