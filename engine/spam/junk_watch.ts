/**
 * Learns from what users do with their Junk folders: what they move in is spam, what they move out again is ham, for
 * their domain and for everyone. What was filed there as tagged teaches nothing by itself. Works on the main thread, a
 * few messages at a time; where folders are, and how a move is told from a deletion, is not known here.
 */
import type { Lesson, LessonOutcome, MailLabel, SpamMemory } from "../store/spam_memory.ts";
import { GLOBAL_SCOPE } from "./bayes.ts";
import { junkDiff, type KnownJunk } from "./junk_diff.ts";
import type { LessonText } from "./lesson.ts";

export interface JunkMessage {
  /** Its beginning, as much as there is to learn from. */
  readonly octets: Uint8Array;
  readonly sizeOctets: number;
  /** It was delivered there as tagged, not moved; one that was moved out and in again may look the same. */
  readonly wasFiled: boolean;
}

/** A mailbox whose Junk folder changed since it was last looked at, or may have. */
export interface JunkMailbox {
  readonly domain: string;
  /** What `remember` was last told. */
  readonly known: readonly KnownJunk[];
  readonly movedOut: readonly string[];
  /** What is there now, bounded. */
  readonly names: readonly string[];
  /** `null` when it is gone meanwhile. */
  read(name: string): Promise<JunkMessage | null>;
  /** Messages that came into other folders lately, Trash excepted, and may be among `gone`; bounded. */
  elsewhere(gone: readonly KnownJunk[]): AsyncIterable<Pick<JunkMessage, "octets">>;
  remember(seen: SeenInJunk): Promise<void>;
}

export interface SeenInJunk {
  readonly known: readonly KnownJunk[];
  /** Names of messages that were moved out, the latest last; bounded. */
  readonly movedOut: readonly string[];
  /** False when there is more to look at than time was for. */
  readonly isAll: boolean;
}

export interface JunkFolders {
  /** Bounded for each call; who had no turn has it next time. */
  changed(signal: AbortSignal): AsyncIterable<JunkMailbox>;
}

export interface JunkWatchOptions {
  readonly folders: JunkFolders;
  readonly memory: Pick<SpamMemory, "learn">;
  readonly lessonOf: (octets: Uint8Array) => LessonText;
  readonly onLearned: (learned: { readonly label: MailLabel; readonly domain: string }) => void;
  readonly onError: (error: unknown) => void;
  readonly pollMs?: number;
}

const POLL_MS = 60_000;
/** Looking takes at most a twentieth of the time. */
const REST = 20;
/** Messages read in one run. */
const MAX_MESSAGES = 500;
const MAX_LESSONS = 50;
/** Names of a mailbox's messages. */
const MAX_MOVED_OUT = 1_000;

export class JunkWatch implements AsyncDisposable {
  readonly #options: JunkWatchOptions;
  readonly #ending = new AbortController();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #running: Promise<void> | null = null;

  constructor(options: JunkWatchOptions) {
    this.#options = options;
  }

  /** Looks every so often until disposed of. */
  start(): void {
    this.#after(this.#options.pollMs ?? POLL_MS);
  }

  /** Looks at what has changed, once. Not twice at the same time. */
  async run(): Promise<void> {
    const { folders, onError } = this.#options;
    const { signal } = this.#ending;
    let left = MAX_MESSAGES;
    for await (const mailbox of folders.changed(signal)) {
      if (signal.aborted) return;
      try {
        left -= await this.#visit(mailbox, left);
      } catch (error) {
        // It is visited again, for nothing was remembered.
        onError(error);
      }
      if (left <= 0) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
  }

  #after(delayMs: number): void {
    this.#timer = setTimeout(async () => {
      const startedMs = performance.now();
      this.#running = this.run().catch(this.#options.onError);
      await this.#running;
      const tookMs = performance.now() - startedMs;
      if (this.#ending.signal.aborted) return;
      this.#after(Math.max(this.#options.pollMs ?? POLL_MS, REST * tookMs));
    }, delayMs);
  }

  /** Answers how many messages were read. */
  async #visit(mailbox: JunkMailbox, maxMessages: number): Promise<number> {
    const { lessonOf } = this.#options;
    const { arrived, gone, stayed } = junkDiff(mailbox.known, mailbox.names);
    const known = [...stayed];
    const movedOut = new Set(mailbox.movedOut);
    const lessons: Lesson[] = [];
    const lesson = (label: MailLabel, text: LessonText) =>
      lessons.push({ ...text, label, scopes: [GLOBAL_SCOPE, mailbox.domain] });
    let read = 0;
    if (gone.length > 0) {
      const missing = new Map(gone.map(({ fingerprint, name }) => [fingerprint, name]));
      for await (const { octets } of mailbox.elsewhere(gone)) {
        read++;
        const text = lessonOf(octets);
        const name = missing.get(text.fingerprint);
        if (name === undefined) continue;
        lesson("ham", text);
        movedOut.add(name);
        missing.delete(text.fingerprint);
        if (missing.size === 0) break;
      }
    }
    const now = arrived.slice(0, Math.max(1, maxMessages - read));
    for (const name of now) {
      if (this.#ending.signal.aborted) return read;
      const message = await mailbox.read(name);
      read++;
      if (message === null) continue;
      const text = lessonOf(message.octets);
      known.push({ name, fingerprint: text.fingerprint, sizeOctets: message.sizeOctets });
      if (movedOut.delete(name) || !message.wasFiled) lesson("spam", text);
      if (lessons.length >= MAX_LESSONS) await this.#learn(lessons.splice(0), mailbox.domain);
    }
    await this.#learn(lessons, mailbox.domain);
    await mailbox.remember({
      known,
      movedOut: [...movedOut].slice(-MAX_MOVED_OUT),
      isAll: now.length === arrived.length,
    });
    return read;
  }

  async #learn(lessons: readonly Lesson[], domain: string): Promise<void> {
    const { memory, onLearned } = this.#options;
    const outcomes: readonly LessonOutcome[] = await memory.learn(lessons);
    outcomes.forEach((outcome, index) => {
      if (outcome !== "known") onLearned({ label: lessons[index].label, domain });
    });
  }
}
