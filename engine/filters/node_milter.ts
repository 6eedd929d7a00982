/**
 * A milter behind a socket: connections are opened, agreed upon and, where the milter can begin anew, kept for the
 * next message. What is said over them is told in `milter_dialogue.ts`.
 */
import {
  type FilterFailure,
  filterFailure,
  type FilterInput,
  type FilterOpinion,
  type OutsideFilter,
} from "./filter.ts";
import { type FilterAddress, formatFilterAddress } from "./filter_address.ts";
import { type MilterLink, tellMilter } from "./milter_dialogue.ts";
import {
  type MilterOptions,
  milterPacket,
  MilterPacketReader,
  type MilterReply,
  negotiationPacket,
} from "./milter_packets.ts";
import { FilterSocket } from "./node_filter_socket.ts";

export interface NodeMilterOptions {
  readonly address: FilterAddress;
  /** What we call ourselves. */
  readonly hostname: string;
  /** Monotonic ms. */
  readonly now: () => number;
}

/** Kept for the next messages; more are closed. */
const MAX_IDLE = 8;
/** Milters end connections that are idle for long. */
const MAX_IDLE_MS = 60_000;
/** SMFIC_QUIT_NC came with it: the client's story ends, the connection does not. */
const REUSE_VERSION = 6;

export class NodeMilter implements OutsideFilter, Disposable {
  readonly name: string;
  readonly #options: NodeMilterOptions;
  /** The one used last behind. */
  readonly #idle: { readonly connection: MilterConnection; readonly sinceMs: number }[] = [];
  #isDisposed = false;

  constructor(options: NodeMilterOptions) {
    this.#options = options;
    this.name = `milter ${formatFilterAddress(options.address)}`;
  }

  /** How many connections wait for a message. */
  get idleCount(): number {
    return this.#idle.length;
  }

  async check(message: FilterInput, signal: AbortSignal): Promise<FilterOpinion> {
    const kept = this.#takeIdle();
    if (kept !== null) {
      const opinion = await this.#tell(kept, message, signal);
      // `null`: it ended while nobody looked.
      if (opinion !== null || signal.aborted) return opinion ?? late();
    }
    const connection = await MilterConnection.open(this.#options.address, signal);
    if ("fault" in connection) return signal.aborted ? late() : connection;
    return await this.#tell(connection, message, signal) ??
      (signal.aborted ? late() : filterFailure("nonsense", "the milter broke off"));
  }

  /** Ends the connections that are kept; the others end with their message. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const { connection } of this.#idle.splice(0)) connection[Symbol.dispose]();
  }

  /** `null` when the milter said nothing at all. */
  async #tell(
    connection: MilterConnection,
    message: FilterInput,
    signal: AbortSignal,
  ): Promise<FilterOpinion | null> {
    const done = connection.closeOn(signal);
    const { hostname } = this.#options;
    const { opinion, isAtEnd, isSilent } = await tellMilter(connection, message, { hostname });
    if (isAtEnd) await this.#keep(connection);
    else connection[Symbol.dispose]();
    done();
    if (opinion.kind !== "failed") return opinion;
    if (signal.aborted) return late();
    return isSilent ? null : opinion;
  }

  #takeIdle(): MilterConnection | null {
    for (;;) {
      const last = this.#idle.pop();
      if (last === undefined) return null;
      if (this.#options.now() - last.sinceMs <= MAX_IDLE_MS) return last.connection;
      last.connection[Symbol.dispose]();
    }
  }

  async #keep(connection: MilterConnection): Promise<void> {
    const canGoOn = connection.options.version >= REUSE_VERSION && await connection.rewind();
    if (canGoOn && !this.#isDisposed && this.#idle.length < MAX_IDLE) {
      this.#idle.push({ connection, sinceMs: this.#options.now() });
    } else connection[Symbol.dispose]();
  }
}

function late(): FilterFailure {
  return filterFailure("late", "the milter took too long");
}

/** One connection, on whose options both sides agreed. */
class MilterConnection implements MilterLink, Disposable {
  options: MilterOptions = { version: 0, protocol: 0 };
  readonly #socket: FilterSocket;
  readonly #packets = new MilterPacketReader();

  private constructor(socket: FilterSocket) {
    this.#socket = socket;
  }

  static async open(
    address: FilterAddress,
    signal: AbortSignal,
  ): Promise<MilterConnection | FilterFailure> {
    const socket = await FilterSocket.connect(address, signal);
    if (socket === null) return filterFailure("unreachable", "the milter is not reached");
    const connection = new MilterConnection(socket);
    const done = connection.closeOn(signal);
    const answer = await connection.send(negotiationPacket()) ? await connection.receive() : null;
    done();
    if (answer?.kind === "options") {
      connection.options = answer.options;
      return connection;
    }
    socket[Symbol.dispose]();
    return filterFailure("nonsense", "the milter does not agree on options we can have");
  }

  closeOn(signal: AbortSignal): () => void {
    return this.#socket.closeOn(signal);
  }

  send(octets: Uint8Array): Promise<boolean> {
    return this.#socket.write(octets);
  }

  async receive(): Promise<MilterReply | null> {
    for (;;) {
      const reply = this.#packets.next();
      if (reply === "nonsense") return null;
      if (reply !== null) return reply;
      const octets = await this.#socket.read();
      if (octets === null) return null;
      this.#packets.push(octets);
    }
  }

  /** The client's story is over, another's may follow; false when the connection is of no use for it. */
  async rewind(): Promise<boolean> {
    // What it said beyond its last word would be taken for an answer to the next story.
    return this.#packets.isEmpty && await this.send(milterPacket("K"));
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}
