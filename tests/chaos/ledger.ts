/** What the senders were promised and what the sink got, message by message. */
import assert from "node:assert/strict";

/** What a message says of itself; the sink takes it for whole only with its last line. */
export function messageText(serial: number, octets: number): string {
  const head = `From: load@load.test\r\nSubject: chaos\r\nX-Serial: ${serial}\r\n\r\n`;
  const line = `${"chaos ".repeat(12)}\r\n`;
  const lines = Math.max(0, Math.ceil((octets - head.length) / line.length));
  return `${head}${line.repeat(lines)}${lastLine(serial)}`;
}

function lastLine(serial: number): string {
  return `end of ${serial}\r\n`;
}

export class Ledger {
  /** Answered 250 after their final dot. */
  readonly acknowledged = new Set<number>();
  /** Sent to the final dot and not answered 250: they may arrive. */
  readonly unknown = new Set<number>();
  /** Replies other than the wished ones, by code and enhanced status, with how many there were. */
  readonly refusals = new Map<string, number>();
  /** How often each message arrived. */
  readonly arrivals = new Map<number, number>();
  /** Messages that arrived in part, or from nobody. */
  readonly faults: string[] = [];
  #lastSerial = 0;

  nextSerial(): number {
    return ++this.#lastSerial;
  }

  refused(reply: string): void {
    const key = /^\d{3}(?: \d\.\d+\.\d+)?/.exec(reply)?.[0] ?? reply;
    this.refusals.set(key, (this.refusals.get(key) ?? 0) + 1);
  }

  arrived(message: { readonly reversePath: string; readonly text: string }): void {
    const serial = Number(/^X-Serial: (\d+)\r$/m.exec(message.text)?.[1]);
    if (message.reversePath === "") this.faults.push(`a report: ${message.text.slice(0, 400)}`);
    else if (!message.text.endsWith(`\r\n${lastLine(serial)}`)) this.faults.push(`torn: ${serial}`);
    else this.arrivals.set(serial, (this.arrivals.get(serial) ?? 0) + 1);
  }

  get lost(): readonly number[] {
    return [...this.acknowledged].filter((serial) => !this.arrivals.has(serial));
  }

  /** Arrivals beyond the first of each message. */
  get duplicates(): number {
    let count = 0;
    for (const times of this.arrivals.values()) count += times - 1;
    return count;
  }

  /** Prints one line, and fails when mail was lost, spoilt, refused for good, or came too often. */
  close(scenario: string, end: {
    readonly explained: number;
    readonly seconds: number;
    /** How much of it passed after the load had ended. */
    readonly backlogSeconds: number;
  }): void {
    const { lost, duplicates, faults } = this;
    const refusals = [...this.refusals].map(([reply, count]) => `${count} × ${reply}`).join(", ");
    console.log(
      `${scenario}: acknowledged ${this.acknowledged.size}, delivered ${this.arrivals.size}, ` +
        `lost ${lost.length}, duplicates ${duplicates} (explained ${end.explained}), ` +
        `${end.seconds.toFixed(1)} s (${end.backlogSeconds.toFixed(1)} s after the load)` +
        (refusals && `; refused ${refusals}`),
    );
    assert.deepEqual(lost, [], "acknowledged and never delivered");
    assert.deepEqual(faults, []);
    assert.ok(duplicates <= end.explained, `${duplicates} duplicates, explained ${end.explained}`);
    const strangers = [...this.arrivals.keys()]
      .filter((serial) => !this.acknowledged.has(serial) && !this.unknown.has(serial));
    assert.deepEqual(strangers, [], "delivered without having been sent to the end");
    const final = [...this.refusals.keys()].filter((reply) => !reply.startsWith("4"));
    assert.deepEqual(final, [], "our own trouble is always a 4xx to the peer");
  }
}
