/** Asks clamd whether a message holds a known virus: INSTREAM of clamd(8), a connection for each message. */
import { Buffer } from "node:buffer";
import { reply } from "../mail/reply.ts";
import { readClamdAnswer } from "./clamd_answer.ts";
import {
  filterFailure,
  type FilterInput,
  type FilterOpinion,
  NOTHING_FOUND,
  type OutsideFilter,
} from "./filter.ts";
import type { FilterAddress } from "./filter_address.ts";
import { FilterSocket } from "./node_filter_socket.ts";

export interface NodeClamdOptions {
  readonly address: FilterAddress;
  /** Told of each virus found: its signature's name stays between us. */
  readonly onFound?: (found: { readonly id: string; readonly signature: string }) => void;
}

const COMMAND = Buffer.from("zINSTREAM\0");
const END = new Uint8Array(4);
const CHUNK_OCTETS = 65_536;
/** Its longest honest answer names a signature. */
const MAX_ANSWER_OCTETS = 1_024;

const INFECTED = reply(554, "7.1", "Message refused: it carries malware");

export class NodeClamd implements OutsideFilter {
  readonly name = "clamd";
  readonly #options: NodeClamdOptions;

  constructor(options: NodeClamdOptions) {
    this.#options = options;
  }

  async check(message: FilterInput, signal: AbortSignal): Promise<FilterOpinion> {
    using socket = await FilterSocket.connect(this.#options.address, signal);
    if (socket === null) {
      return signal.aborted ? late() : filterFailure("unreachable", "clamd is not reached");
    }
    const done = socket.closeOn(signal);
    // Read while writing: it may answer before the end, and closes then.
    const [said] = await Promise.all([readAnswer(socket), stream(socket, message.octets)]);
    done();
    if (said === null) {
      return signal.aborted ? late() : filterFailure("nonsense", "clamd broke off");
    }
    const answer = readClamdAnswer(said);
    switch (answer.kind) {
      case "clean":
        return NOTHING_FOUND;
      case "found":
        this.#options.onFound?.({ id: message.id, signature: answer.signature });
        return { kind: "refused", reply: INFECTED };
      case "too_large":
        return filterFailure("too_large", "more than clamd's StreamMaxLength");
      case "nonsense":
        return filterFailure("nonsense", `clamd says: ${answer.said}`);
    }
  }
}

function late(): FilterOpinion {
  return filterFailure("late", "clamd took too long");
}

/** Each chunk behind its length, a length of none at the end. */
async function stream(socket: FilterSocket, octets: Uint8Array): Promise<void> {
  if (!await socket.write(COMMAND)) return;
  const length = new Uint8Array(4);
  for (let at = 0; at < octets.length; at += CHUNK_OCTETS) {
    const chunk = octets.subarray(at, at + CHUNK_OCTETS);
    new DataView(length.buffer).setUint32(0, chunk.length);
    if (!await socket.write(length) || !await socket.write(chunk)) return;
  }
  await socket.write(END);
}

/** The answer without the NUL that ends it; `null` when it has no end. */
async function readAnswer(socket: FilterSocket): Promise<string | null> {
  let said = "";
  for (;;) {
    const octets = await socket.read();
    if (octets === null) return null;
    const nul = octets.indexOf(0);
    said += Buffer.from(octets.subarray(0, nul < 0 ? undefined : nul)).toString("latin1");
    if (nul >= 0 || said.length > MAX_ANSWER_OCTETS) {
      // What is still being written is of no use to it any more.
      socket[Symbol.dispose]();
      return nul >= 0 && said.length <= MAX_ANSWER_OCTETS ? said : null;
    }
  }
}
