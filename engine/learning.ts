/** What the main thread does so that mail is scored by what was learnt: loads it, learns from Junk folders, forgets. */
import type { Sql } from "postgres";
import type { Config } from "../config/schema.ts";
import { NodeJunkFolders } from "./delivery/local/node_junk_folders.ts";
import type { SpamKnowledge } from "./runtime/wire.ts";
import { type BayesSnapshot, DEFAULT_BAYES_OPTIONS } from "./spam/bayes.ts";
import { BayesSource } from "./spam/bayes_source.ts";
import { forgetOld } from "./spam/forget_old.ts";
import { JunkWatch } from "./spam/junk_watch.ts";
import { LESSON_OCTETS, lessonOf } from "./spam/lesson.ts";
import type { DirectoryAdmin } from "./store/directory.ts";
import { postgresReputations } from "./store/postgres_reputations.ts";
import { postgresSpamMemory } from "./store/postgres_spam_memory.ts";
import { logOf } from "./telemetry/log.ts";

/** Names of ours that others may imitate: a server with more of them watches some. */
const MAX_DOMAINS = 2_000;
const DOMAINS_MS = 60_000;
const FORGET_MS = 24 * 3_600_000;

export class Learning implements AsyncDisposable {
  readonly #options: LearningOptions;
  readonly #log = logOf("spam");
  readonly #ending = new AbortController();
  readonly #timers = new Set<ReturnType<typeof setInterval>>();
  readonly #junk: JunkWatch | null;
  readonly #bayes: BayesSource;
  #knowledge: SpamKnowledge = { bayes: { scopes: [] }, localDomains: [] };
  #onKnowledge: ((knowledge: SpamKnowledge) => void) | null = null;

  private constructor(options: LearningOptions) {
    const { config, sql } = options;
    this.#options = options;
    const memory = postgresSpamMemory(sql, { now: Date.now });
    const onError = (error: unknown) => this.#log.error("{error}", { error: String(error) });
    this.#bayes = new BayesSource({
      memory,
      minMessages: DEFAULT_BAYES_OPTIONS.minMessages,
      onSnapshot: (bayes: BayesSnapshot) => this.#learned({ ...this.#knowledge, bayes }),
      onError,
    });
    const { junkFolder } = config.judging;
    this.#junk = junkFolder === null ? null : new JunkWatch({
      folders: new NodeJunkFolders({
        root: `${config.dataDir}/mail`,
        junkFolder,
        now: Date.now,
        nonce: () => crypto.randomUUID().replaceAll("-", ""),
        maxOctets: LESSON_OCTETS,
        onError,
      }),
      memory,
      lessonOf,
      onLearned: ({ label, domain }) =>
        this.#log.info("learned a message of {domain} as {label}", { domain, label }),
      onError,
    });
    const forget = () =>
      forgetOld({ memory, reputations: postgresReputations(sql) }, {
        nowMs: Date.now(),
        signal: this.#ending.signal,
      }).catch(onError);
    this.#timers.add(setInterval(forget, FORGET_MS));
    this.#timers.add(setInterval(() => this.#readDomains().catch(onError), DOMAINS_MS));
  }

  get knowledge(): SpamKnowledge {
    return this.#knowledge;
  }

  /** Knows our domains, and nothing else yet. @throws {StoreUnavailableError} */
  static async open(options: LearningOptions): Promise<Learning> {
    const learning = new Learning(options);
    await learning.#readDomains();
    return learning;
  }

  /** @param onKnowledge told whenever some of it changed. */
  start(onKnowledge: (knowledge: SpamKnowledge) => void): void {
    this.#onKnowledge = onKnowledge;
    this.#bayes.start();
    this.#junk?.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    for (const timer of this.#timers) clearInterval(timer);
    this.#bayes[Symbol.dispose]();
    await this.#junk?.[Symbol.asyncDispose]();
  }

  async #readDomains(): Promise<void> {
    const localDomains: string[] = [];
    for (let page = await this.#options.directory.domains(); page.length > 0;) {
      localDomains.push(...page);
      if (localDomains.length >= MAX_DOMAINS) break;
      page = await this.#options.directory.domains({ after: page[page.length - 1] });
    }
    if (localDomains.join() === this.#knowledge.localDomains.join()) return;
    this.#learned({ ...this.#knowledge, localDomains });
  }

  #learned(knowledge: SpamKnowledge): void {
    this.#knowledge = knowledge;
    this.#onKnowledge?.(knowledge);
  }
}

export interface LearningOptions {
  readonly config: Config;
  readonly sql: Sql;
  readonly directory: Pick<DirectoryAdmin, "domains">;
}
