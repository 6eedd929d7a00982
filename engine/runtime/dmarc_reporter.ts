/**
 * Sends other domains the reports they ask for (RFC 9990), a day behind: once for a domain and day, by one
 * node at a time, a bounded number a run. A report goes as an ordinary message through the spool. What
 * cannot be sent is left out and said so; nothing is sent to who did not agree to get it.
 */
import type { AggregateReport } from "../auth/reports/report.ts";
import {
  encodedOctets,
  packReport,
  type ReportAddress,
  reportAddress,
  reportMessage,
} from "../auth/reports/report_message.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { RoutedRecipient } from "../mail/envelope.ts";
import type { QueueId } from "../mail/queue_id.ts";
import type { DmarcFeedback, DueFeedback } from "../store/dmarc_feedback.ts";
import type { AcceptedMessage } from "../store/spool.ts";

export interface DmarcReporterOptions {
  readonly store: DmarcFeedback;
  readonly resolver: Pick<Resolver, "txt">;
  /** Whether both domains are of one organisation (RFC 9989 §4.10.2). */
  readonly isSameOrganization: (a: string, b: string) => Promise<boolean>;
  /** The DKIM-Signature fields for a message. @throws {StoreUnavailableError} */
  readonly sign: (octets: Uint8Array) => Promise<string>;
  /** Where a mailbox leads; nowhere when empty. */
  readonly route: (mailbox: string) => Promise<readonly RoutedRecipient[]>;
  readonly commit: (messages: readonly AcceptedMessage[]) => Promise<void>;
  readonly newQueueId: () => QueueId;
  readonly newBoundary: () => string;
  /** Who reports: this organisation's domain. */
  readonly submitter: string;
  /** The mailbox reports come from, and questions about them go to. */
  readonly from: string;
  /** Name and version of this program. */
  readonly generator: string;
  /** Unix ms. */
  readonly now: () => number;
  readonly random: () => number;
  readonly onSent: (domain: string, to: readonly string[]) => void;
  readonly onError: (error: unknown) => void;
}

const DAY_MS = 86_400_000;
const RUN_MS = 15 * 60_000;
/** Nodes still bring what they counted before midnight. */
const SETTLING_MS = 10 * 60_000;
const MAX_REPORTS_A_RUN = 500;
/** Domains that are looked at in a run; in an order of chance, so that a DNS that never answers delays no one. */
const MAX_DOMAINS_A_RUN = 5_000;
const MAX_RUN_MS = 10 * 60_000;
/** Domains whose addresses are asked about at once. */
const ASKED_AT_ONCE = 16;
const MAX_RECORDS = 10_000;
/** Addresses of `rua` that are looked at. */
const MAX_ADDRESSES = 4;
/** Days that were not reported by then are not any more. */
const FORGET_DAYS = 7;
/** Packed; larger messages than this many servers refuse. */
const MAX_PACKED_OCTETS = 7 * 1024 * 1024;

export class DmarcReporter implements AsyncDisposable {
  readonly #options: DmarcReporterOptions;
  readonly #ended = Promise.withResolvers<void>();
  #isEnded = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: DmarcReporterOptions) {
    this.#options = options;
  }

  /** Looks for what is due again and again until disposed of. */
  start(): void {
    this.#loop = this.#every();
  }

  /** Ends between two reports. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnded = true;
    this.#ended.resolve();
    await Promise.race([this.#loop, new Promise((resolve) => setTimeout(resolve, 1_000))]);
  }

  /** Sends what is due, unless another node is at it; answers how many reports went out. */
  async run(): Promise<number> {
    const { store, now, random } = this.#options;
    const today = dayOf(now() - SETTLING_MS);
    if ((await store.due(today, 1)).length === 0) return 0;
    return await store.exclusively(async () => {
      while (await store.forget(dayOf(now() - FORGET_DAYS * DAY_MS)) > 0) if (this.#isEnded) break;
      const due = shuffled(await store.due(today, MAX_DOMAINS_A_RUN), random);
      const endMs = now() + MAX_RUN_MS;
      let sent = 0;
      for (let from = 0; from < due.length; from += ASKED_AT_ONCE) {
        const some = due.slice(from, from + ASKED_AT_ONCE);
        const addresses = await Promise.all(some.map((each) => this.#addresses(each)));
        for (const [index, feedback] of some.entries()) {
          const isOver = sent >= MAX_REPORTS_A_RUN || now() > endMs;
          if (this.#isEnded || isOver) return sent;
          // Where somebody's DNS does not answer: perhaps at the next run.
          const known = addresses[index];
          if (known !== null && await this.#report(feedback, known)) sent++;
        }
      }
      return sent;
    }) ?? 0;
  }

  /** Whether the report went out. */
  async #report(
    feedback: DueFeedback,
    addresses: readonly ReportAddress[],
  ): Promise<boolean> {
    const { store, onSent } = this.#options;
    if (feedback.isTainted) return await this.#giveUp(feedback, "spam");
    if (addresses.length === 0) return await this.#giveUp(feedback, "no address");
    const counted = await store.rows(feedback, MAX_RECORDS);
    if (counted.length === 0) return await this.#giveUp(feedback, "no messages");
    const report = this.#compose(
      feedback,
      counted.map(({ row, messages }) => ({ ...row, count: messages })),
    );
    const packed = await packReport(report);
    const sizeOctets = encodedOctets(packed);
    // RFC 9990 §3.5: a URI whose limit the report exceeds must not be used.
    const fitting = addresses.filter(({ maxOctets }) =>
      sizeOctets <= (maxOctets ?? Infinity) && packed.length <= MAX_PACKED_OCTETS
    );
    const messages: AcceptedMessage[] = [];
    for (const { mailbox } of fitting) {
      messages.push(...await this.#message(mailbox, report, packed));
    }
    if (messages.length === 0) return await this.#giveUp(feedback, "no room");
    // Before the commit: a crash in between costs a report, the other way round it would be sent twice.
    if (!await store.settle(feedback, "sent")) return false;
    await this.#options.commit(messages);
    onSent(feedback.domain, fitting.map(({ mailbox }) => mailbox));
    return true;
  }

  async #giveUp(feedback: DueFeedback, outcome: string): Promise<false> {
    await this.#options.store.settle(feedback, outcome);
    return false;
  }

  #compose(
    { day, domain, record }: DueFeedback,
    records: AggregateReport["records"],
  ): AggregateReport {
    const { submitter, from, generator } = this.#options;
    const beginMs = Date.parse(`${day}T00:00:00Z`);
    const p = record.p ?? "none";
    return {
      kind: "aggregate",
      organization: submitter,
      email: from,
      extraContact: null,
      // The same when it is sent again, and nobody else's.
      reportId: `${day.replaceAll("-", "")}.${domain}@${submitter}`,
      beginMs,
      endMs: beginMs + DAY_MS - 1_000,
      errors: [],
      generator,
      policy: {
        domain,
        p,
        sp: record.sp ?? p,
        np: record.np ?? record.sp ?? p,
        adkim: record.adkim ?? "r",
        aspf: record.aspf ?? "r",
        fo: record.fo ?? "0",
        testing: record.t ?? "n",
        discoveryMethod: "treewalk",
      },
      records,
      omittedRecords: 0,
    };
  }

  async #message(
    to: string,
    report: AggregateReport,
    packed: Uint8Array,
  ): Promise<AcceptedMessage[]> {
    const { route, sign, submitter, from, now, newQueueId, newBoundary } = this.#options;
    const recipients = await route(to);
    if (recipients.length === 0) return [];
    const nowMs = now();
    const octets = reportMessage(report, packed, {
      submitter,
      from,
      to,
      nowMs,
      boundary: newBoundary(),
    });
    const signatures = new TextEncoder().encode(await sign(octets));
    const signed = new Uint8Array(signatures.length + octets.length);
    signed.set(signatures);
    signed.set(octets, signatures.length);
    return [{
      id: newQueueId(),
      acceptedAtMs: nowMs,
      reversePath: from,
      bodyType: "7bit",
      smtpUtf8: false,
      clientAddress: "",
      heloName: "",
      protocol: "internal",
      octets: signed,
      recipients,
    }];
  }

  /** Who gets it: `null` when that cannot be known now. */
  async #addresses(
    { domain, record, isTainted }: DueFeedback,
  ): Promise<readonly ReportAddress[] | null> {
    if (isTainted) return [];
    const found = new Map<string, ReportAddress>();
    for (const uri of (record.rua ?? "").split(",").slice(0, MAX_ADDRESSES)) {
      const address = reportAddress(uri);
      if (address === null) continue;
      const agreed = await this.#agreed(domain, address);
      if (agreed === null) return null;
      for (const each of agreed) found.set(each.mailbox, each);
    }
    return [...found.values()];
  }

  /**
   * RFC 9990 §4: whoever is outside the domain must have said in the DNS that it takes its reports, and may
   * say where. `null` when the DNS does not answer.
   */
  async #agreed(domain: string, address: ReportAddress): Promise<readonly ReportAddress[] | null> {
    const { resolver, isSameOrganization } = this.#options;
    if (await isSameOrganization(domain, address.domain)) return [address];
    const answer = await resolver.txt(`${domain}._report._dmarc.${address.domain}`);
    if (answer.kind === "tempfail") return null;
    if (answer.kind !== "found") return [];
    const consent = answer.records.map(tagsOf).find((tags) => tags !== null);
    if (consent === undefined) return [];
    const elsewhere = consent.get("rua");
    if (elsewhere === undefined) return [address];
    const others = elsewhere.split(",").slice(0, MAX_ADDRESSES).map(reportAddress);
    // An address that leads away from who agreed makes the whole of it void.
    const isVoid = others.some((each) => each === null || each.domain !== address.domain);
    return isVoid ? [] : others as readonly ReportAddress[];
  }

  async #every(): Promise<void> {
    while (!this.#isEnded) {
      await this.run().catch(this.#options.onError);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, RUN_MS);
      await Promise.race([promise, this.#ended.promise]);
      clearTimeout(timer);
    }
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items.map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** `v=DMARC1` first, then other tags; `null` for anything else. */
function tagsOf(record: string): ReadonlyMap<string, string> | null {
  const tags = record.slice(0, 2_048).split(";").map((tag) => {
    const equals = tag.indexOf("=");
    return [tag.slice(0, Math.max(0, equals)).trim().toLowerCase(), tag.slice(equals + 1).trim()];
  });
  const [[name, version]] = tags;
  if (name !== "v" || version !== "DMARC1") return null;
  return new Map(tags as [string, string][]);
}
