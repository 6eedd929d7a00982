/**
 * Queue ids: 63 bits that order by time of acceptance and never repeat across workers and nodes.
 *
 * Layout, high to low: 41 bits of milliseconds since 2024-01-01, 12 bits naming the generator (drawn
 * from a database sequence when a worker starts), 10 bits counting within the millisecond. As text:
 * 13 characters of Crockford's base 32, so that text order is time order too.
 */

/** A message's name in logs, replies and tables, 13 characters. */
export type QueueId = string & { readonly queueId: unique symbol };

/** One recipient's work: the message's queue id, a dot and the recipient's position. */
export type DeliveryId = string & { readonly deliveryId: unique symbol };

/** 2024-01-01T00:00:00Z */
export const QUEUE_EPOCH_MS = 1_704_067_200_000;
export const GENERATORS = 4096;

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const QUEUE_ID = /^[0-7][0-9A-HJKMNP-TV-Z]{12}$/;
const COUNTER_BITS = 10;
const PER_MILLISECOND = 1 << COUNTER_BITS;

/**
 * Makes ids in rising order, also when the clock steps back.
 *
 * @param options `generator` must be this worker's alone; it is taken modulo `GENERATORS`.
 */
export function queueIdGenerator(
  options: { generator: number; now: () => number },
): () => QueueId {
  const generator = options.generator % GENERATORS;
  let lastMs = 0;
  let counter = 0;
  return () => {
    const nowMs = options.now();
    if (nowMs > lastMs) {
      lastMs = nowMs;
      counter = 0;
    } else if (++counter === PER_MILLISECOND) {
      lastMs++;
      counter = 0;
    }
    return encode(lastMs - QUEUE_EPOCH_MS, generator * PER_MILLISECOND + counter);
  };
}

/** Thirteen digits of five bits: 43 carry the milliseconds and two bits of the rest. */
function encode(ms: number, low22: number): QueueId {
  let text = "";
  let low = low22 + (ms % 8) * 2 ** 22;
  let high = Math.floor(ms / 8);
  for (let digit = 0; digit < 5; digit++) {
    text = ALPHABET[low % 32] + text;
    low = Math.floor(low / 32);
  }
  for (let digit = 0; digit < 8; digit++) {
    text = ALPHABET[high % 32] + text;
    high = Math.floor(high / 32);
  }
  return text as QueueId;
}

/** The id as Postgres stores it (bigint, in decimal). */
export function queueIdToDecimal(id: QueueId): string {
  let high = 0;
  let low = 0;
  for (let digit = 0; digit < 8; digit++) high = high * 32 + ALPHABET.indexOf(id[digit]!);
  for (let digit = 8; digit < 13; digit++) low = low * 32 + ALPHABET.indexOf(id[digit]!);
  return (BigInt(high) * 33_554_432n + BigInt(low)).toString();
}

/** Below the ids made from then on, above all older ones, as Postgres stores them. */
export function firstDecimalAt(ms: number): string {
  return (BigInt(Math.max(0, ms - QUEUE_EPOCH_MS)) << 22n).toString();
}

export function queueIdFromDecimal(decimal: string | bigint): QueueId {
  let rest = BigInt(decimal);
  let text = "";
  for (let digit = 0; digit < 13; digit++) {
    text = ALPHABET[Number(rest % 32n)] + text;
    rest /= 32n;
  }
  return text as QueueId;
}

/** When the id was made, Unix epoch. */
export function queueIdMs(id: QueueId): number {
  let high = 0;
  for (let digit = 0; digit < 8; digit++) high = high * 32 + ALPHABET.indexOf(id[digit]!);
  return QUEUE_EPOCH_MS + high * 8 + (ALPHABET.indexOf(id[8]!) >> 2);
}

/** Reads a queue id a person typed; `null` when it is none. */
export function parseQueueId(text: string): QueueId | null {
  const upper = text.trim().toUpperCase();
  return QUEUE_ID.test(upper) ? upper as QueueId : null;
}

export function deliveryId(message: QueueId, recipient: number): DeliveryId {
  return `${message}.${recipient}` as DeliveryId;
}

/** Splits a delivery id into the message's id and the recipient's position. */
export function splitDeliveryId(id: DeliveryId): { message: QueueId; recipient: number } {
  return { message: id.slice(0, 13) as QueueId, recipient: Number(id.slice(14)) };
}
