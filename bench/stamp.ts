/**
 * The two header fields by which a message tells its age and its serial at the sink.
 *
 * Times are Unix milliseconds with a fraction, from the same clock in every process of one machine:
 * the wall clock at a process's start plus its monotonic time since.
 */

/** Unix milliseconds with a fraction; never steps back within a process. */
export function stampNowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** What the sink reads back; `null` for a field that is not there. */
export interface Stamp {
  readonly sentAtMs: number | null;
  readonly serial: number | null;
}

/** Lines of 76 characters, so that no server has to fold or reject one (RFC 5322 §2.1.1). */
export function payloadOf(sizeOctets: number): string {
  const line = "X".repeat(76) + "\r\n";
  const whole = Math.floor(sizeOctets / line.length);
  const rest = sizeOctets - whole * line.length;
  return line.repeat(whole) + (rest < 2 ? "" : "X".repeat(rest - 2) + "\r\n");
}

/** The header section of a bench message, its closing blank line included. */
export function headerSectionOf(stamp: { sentAtMs: number; serial: number }): string {
  return `From: <load@bench.test>\r\nTo: <sink@bench.test>\r\n` +
    `Date: ${new Date(stamp.sentAtMs).toUTCString().replace("GMT", "+0000")}\r\n` +
    `Message-ID: <${stamp.serial}.${stamp.sentAtMs.toFixed(3)}@bench.test>\r\n` +
    `X-Bench-Sent: ${stamp.sentAtMs.toFixed(3)}\r\n` +
    `X-Bench-Serial: ${stamp.serial}\r\n` +
    `Subject: bench\r\n\r\n`;
}

/** Finds the stamp among whatever fields the servers on the way have added. */
export function readStamp(head: string): Stamp {
  return {
    sentAtMs: numberAfter(head, "\r\nX-Bench-Sent:"),
    serial: numberAfter(head, "\r\nX-Bench-Serial:"),
  };
}

function numberAfter(head: string, field: string): number | null {
  const text = `\r\n${head}`;
  const at = text.indexOf(field);
  if (at === -1) return null;
  const end = text.indexOf("\r\n", at + field.length);
  // A value whose line is cut off may be a prefix of the true one.
  if (end === -1) return null;
  const value = Number(text.slice(at + field.length, end).trim() || "none");
  return Number.isFinite(value) ? value : null;
}
