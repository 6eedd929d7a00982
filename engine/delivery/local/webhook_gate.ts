/**
 * How many webhook deliveries are under way in a worker. Each holds its message several times over, and a
 * stranger decides how large that is and for how many mailboxes: so a few go at once, weighed by their
 * octets. Half of the room at most is one domain's, so that a webhook that is slow keeps no other waiting.
 */

export interface WebhookLoad {
  readonly domain: string;
  readonly octets: number;
  /** After this it goes back untried. */
  readonly beginBeforeMs: number;
}

interface Waiting {
  readonly load: WebhookLoad;
  readonly resolve: (mayBegin: boolean) => void;
}

interface Room {
  readonly places: number;
  readonly octets: number;
}

const WHOLE: Room = { places: 8, octets: 32 * 1024 * 1024 };
const HALF: Room = { places: WHOLE.places / 2, octets: WHOLE.octets / 2 };
const NONE: Room = { places: 0, octets: 0 };

export class WebhookGate {
  /** In order of arrival; the caller bounds how many. */
  #waiting: Waiting[] = [];
  #taken = NONE;
  readonly #takenBy = new Map<string, Room>();
  #isWithdrawn = false;

  /** True once it may begin, and then `leave` is called once; false when it shall not. */
  enter(load: WebhookLoad): Promise<boolean> {
    if (this.#isWithdrawn) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push({ load, resolve });
      this.#admit();
    });
  }

  leave(load: WebhookLoad): void {
    this.#count(load, -1);
    this.#admit();
  }

  /** Gives back what waited too long; call about once a second. */
  tick(nowMs: number): void {
    this.#giveBack(({ beginBeforeMs }) => nowMs >= beginBeforeMs);
    this.#admit();
  }

  /** Gives back what has not begun, and whatever comes from now on. */
  withdraw(): void {
    this.#isWithdrawn = true;
    this.#giveBack(() => true);
  }

  #giveBack(isDue: (load: WebhookLoad) => boolean): void {
    this.#waiting = this.#waiting.filter(({ load, resolve }) => {
      if (isDue(load)) resolve(false);
      return !isDue(load);
    });
  }

  /** Nobody overtakes who waits for the same room, or a large message would wait for ever. */
  #admit(): void {
    const fullFor = new Set<string>();
    let isFull = false;
    this.#waiting = this.#waiting.filter(({ load, resolve }) => {
      const { domain } = load;
      if (isFull || fullFor.has(domain)) return true;
      if (exceeds(plus(this.#takenBy.get(domain) ?? NONE, load, 1), HALF)) fullFor.add(domain);
      else isFull = exceeds(plus(this.#taken, load, 1), WHOLE);
      if (isFull || fullFor.has(domain)) return true;
      this.#count(load, 1);
      resolve(true);
      return false;
    });
  }

  #count(load: WebhookLoad, sign: 1 | -1): void {
    this.#taken = plus(this.#taken, load, sign);
    const ofDomain = plus(this.#takenBy.get(load.domain) ?? NONE, load, sign);
    if (ofDomain.places > 0) this.#takenBy.set(load.domain, ofDomain);
    else this.#takenBy.delete(load.domain);
  }
}

function plus(room: Room, { octets }: WebhookLoad, sign: 1 | -1): Room {
  // A message larger than a domain's room goes alone in it.
  return {
    places: room.places + sign,
    octets: room.octets + sign * Math.min(octets, HALF.octets),
  };
}

function exceeds(room: Room, limit: Room): boolean {
  return room.places > limit.places || room.octets > limit.octets;
}
