/**
 * Tells a milter the whole story of a message once it is there, stage by stage as if it happened now, and makes an
 * opinion of what the milter says. Since the client has heard the replies to its commands by then, whatever is
 * refused, be it the client, the sender or one of the recipients, is the message as a whole. A message the milter
 * would discard is held. Knows packets and their order, not how they travel.
 */
import { Buffer } from "node:buffer";
import { formatIp, isIpv4, parseIp } from "../mail/ip_address.ts";
import { parseReply, type Reply, reply } from "../mail/reply.ts";
import {
  filterFailure,
  type FilterInput,
  type FilterOpinion,
  type FilterPass,
  NOTHING_FOUND,
} from "./filter.ts";
import { MilterChanges } from "./milter_changes.ts";
import {
  macroPacket,
  MAX_CHUNK_OCTETS,
  type MilterOptions,
  milterPacket,
  type MilterReply,
  milterTexts,
  ProtocolFlag,
} from "./milter_packets.ts";

/** A connection to a milter that has agreed on options. */
export interface MilterLink {
  readonly options: MilterOptions;
  /** False when it is gone. */
  send(octets: Uint8Array): Promise<boolean>;
  /** `null` when it is gone, or talks nonsense. */
  receive(): Promise<MilterReply | null>;
}

export interface DialogueContext {
  /** What we call ourselves. */
  readonly hostname: string;
}

export interface DialogueEnd {
  readonly opinion: FilterOpinion;
  /** The milter waits for the next client's story. */
  readonly isAtEnd: boolean;
  /** It said nothing at all: a connection kept for long may have ended meanwhile. */
  readonly isSilent: boolean;
}

/** Replies that only ask for patience, in one message. */
const MAX_PROGRESS = 1_000;
/** Stages without an answer go out together up to here. */
const MAX_UNSENT_OCTETS = 65_536;

const REFUSED = reply(550, "7.1", "Message refused by a filter");
const DEFERRED = reply(451, "7.1", "Message not accepted now, try again later");

const CR = 13;
const LF = 10;
const SPACE = 32;
const TAB = 9;

interface Step {
  readonly packets: readonly Uint8Array[];
  /** False when the milter said beforehand that it does not answer here. */
  readonly isAnswered: boolean;
  readonly isBody?: true;
}

/** Never rejects; how long it takes is the link's to bound. */
export async function tellMilter(
  link: MilterLink,
  message: FilterInput,
  context: DialogueContext,
): Promise<DialogueEnd> {
  const dialogue = new Dialogue(link);
  const opinion = await dialogue.tell(message, context);
  return { opinion, isAtEnd: dialogue.isAtEnd, isSilent: dialogue.isSilent };
}

class Dialogue {
  isAtEnd = false;
  isSilent = true;
  readonly #link: MilterLink;
  #unsent: Uint8Array[] = [];
  #unsentOctets = 0;
  #progress = 0;

  constructor(link: MilterLink) {
    this.#link = link;
  }

  async tell(message: FilterInput, context: DialogueContext): Promise<FilterOpinion> {
    let skipsBody = false;
    for (const step of stepsOf(message, { ...context, options: this.#link.options })) {
      if (step.isBody && skipsBody) continue;
      if (!await this.#send(step)) return BROKEN_OFF;
      if (!step.isAnswered) continue;
      const answer = await this.#answer();
      if (answer === null) return BROKEN_OFF;
      if (answer.kind === "continue") continue;
      if (answer.kind === "skip" && step.isBody) {
        skipsBody = true;
        continue;
      }
      return verdictOf(answer) ?? outOfPlace(answer);
    }
    return await this.#end(message);
  }

  /** The end of the message, where the milter says what it changes. */
  async #end(message: FilterInput): Promise<FilterOpinion> {
    const packets = [macroPacket("E", { i: message.id }), milterPacket("E")];
    if (!await this.#send({ packets, isAnswered: true })) return BROKEN_OFF;
    const keepsSpace = (this.#link.options.protocol & ProtocolFlag.leadingSpace) !== 0;
    const changes = new MilterChanges(message, { keepsSpace });
    let quarantine: string | null = null;
    for (;;) {
      const answer = await this.#answer();
      if (answer === null) return BROKEN_OFF;
      let isGood = true;
      switch (answer.kind) {
        case "add_header":
          isGood = changes.add(answer.name, answer.value);
          break;
        case "insert_header":
          isGood = changes.insert(answer.name, answer.value);
          break;
        case "change_header":
          isGood = changes.change(answer.name, answer.index, answer.value);
          break;
        case "quarantine":
          quarantine = oneLine(answer.reason);
          break;
        default: {
          const verdict = answer.kind === "continue" ? NOTHING_FOUND : verdictOf(answer);
          if (verdict === null) return outOfPlace(answer);
          // After any other last word libmilter does not hear that a new client follows.
          this.isAtEnd = answer.kind === "continue";
          if (verdict.kind !== "passed") return verdict;
          return {
            ...verdict,
            quarantine: verdict.quarantine ?? quarantine,
            changes: changes.result(),
          };
        }
      }
      if (!isGood) {
        return filterFailure("nonsense", "the milter changes fields to what no message has");
      }
    }
  }

  /** With everything before it that is not answered. */
  async #send({ packets, isAnswered }: Step): Promise<boolean> {
    for (const packet of packets) {
      this.#unsent.push(packet);
      this.#unsentOctets += packet.length;
    }
    if (!isAnswered && this.#unsentOctets < MAX_UNSENT_OCTETS) return true;
    const octets = this.#unsent.length === 1 ? this.#unsent[0] : Buffer.concat(this.#unsent);
    this.#unsent = [];
    this.#unsentOctets = 0;
    return await this.#link.send(octets);
  }

  async #answer(): Promise<MilterReply | null> {
    for (;;) {
      const answer = await this.#link.receive();
      if (answer !== null) this.isSilent = false;
      if (answer?.kind !== "progress") return answer;
      if (++this.#progress > MAX_PROGRESS) return null;
    }
  }
}

const BROKEN_OFF = filterFailure("nonsense", "the milter broke off or says what cannot be read");

function outOfPlace({ kind }: MilterReply): FilterOpinion {
  return filterFailure("nonsense", `the milter says ${kind} out of place`);
}

/** What ends the story, at whichever stage; `null` for what does not. */
function verdictOf(answer: MilterReply): FilterPass | Exclude<FilterOpinion, FilterPass> | null {
  switch (answer.kind) {
    case "accept":
      return NOTHING_FOUND;
    case "discard":
      return { ...NOTHING_FOUND, quarantine: "A milter would discard it" };
    case "reject":
      return { kind: "refused", reply: REFUSED };
    case "tempfail":
      return { kind: "refused", reply: DEFERRED };
    case "reply_code":
      return readReplyCode(answer.text);
    case "unavailable":
      return filterFailure("nonsense", "the milter does not want to go on");
    default:
      return null;
  }
}

function readReplyCode(text: string): FilterOpinion {
  const said = parseReply(text);
  if (said === null || (said.severity !== "transient" && said.severity !== "permanent")) {
    return filterFailure("nonsense", "the milter refuses with no code of a refusal");
  }
  const { severity, text: words } = said;
  // RFC 5321 §3.8: 421 ends a session, and this is about a message.
  const code = said.code === 421 ? 451 : said.code;
  const enhancedStatus = said.enhancedStatus ?? (severity === "transient" ? "4.7.1" : "5.7.1");
  const refusal: Reply = { severity, code, enhancedStatus, text: words || REFUSED.text };
  return { kind: "refused", reply: refusal };
}

/** Every stage up to the end of the body that the milter wants to hear of. */
function* stepsOf(
  message: FilterInput,
  { hostname, options }: DialogueContext & { readonly options: MilterOptions },
): Generator<Step> {
  const { client, heloName, reversePath, recipients, id, user } = message;
  const { protocol, version } = options;
  const step = (silent: number, ...packets: readonly Uint8Array[]): Step => ({
    packets,
    isAnswered: (protocol & silent) === 0,
  });
  const wants = (left: number) => (protocol & left) === 0;
  if (wants(ProtocolFlag.noConnect)) {
    const { name, address, family } = clientOf(client);
    yield step(
      ProtocolFlag.silentConnect,
      macroPacket("C", {
        j: hostname,
        daemon_name: hostname,
        v: "Sluice",
        client_addr: address,
        client_name: name,
        client_ptr: name,
        client_port: String(client.port),
      }),
      milterPacket("C", milterTexts(name), family, portOf(client.port), milterTexts(address)),
    );
  }
  if (wants(ProtocolFlag.noHelo)) {
    yield step(ProtocolFlag.silentHelo, milterPacket("H", milterTexts(heloName)));
  }
  if (wants(ProtocolFlag.noMail)) {
    yield step(
      ProtocolFlag.silentMail,
      macroPacket("M", { i: id, mail_addr: reversePath, auth_authen: user }),
      milterPacket("M", milterTexts(`<${reversePath}>`)),
    );
  }
  if (wants(ProtocolFlag.noRcpt)) {
    for (const recipient of recipients) {
      yield step(
        ProtocolFlag.silentRcpt,
        macroPacket("R", { i: id, rcpt_addr: recipient }),
        milterPacket("R", milterTexts(`<${recipient}>`)),
      );
    }
  }
  // Older ones do not know of it.
  if (version >= 4 && wants(ProtocolFlag.noData)) {
    yield step(ProtocolFlag.silentData, macroPacket("T", { i: id }), milterPacket("T"));
  }
  if (wants(ProtocolFlag.noHeaders)) {
    const keepsSpace = !wants(ProtocolFlag.leadingSpace);
    for (const { name, valueStartOctet, valueEndOctet } of message.header.fields()) {
      const value = fieldValue(message.octets.subarray(valueStartOctet, valueEndOctet), keepsSpace);
      yield step(
        ProtocolFlag.silentHeader,
        milterPacket("L", milterTexts(name), value, milterTexts("")),
      );
    }
  }
  if (wants(ProtocolFlag.noEndOfHeaders)) {
    yield step(ProtocolFlag.silentEndOfHeaders, milterPacket("N"));
  }
  if (wants(ProtocolFlag.noBody)) {
    const body = message.octets.subarray(message.header.bodyOctet);
    for (let at = 0; at < body.length; at += MAX_CHUNK_OCTETS) {
      const chunk = body.subarray(at, at + MAX_CHUNK_OCTETS);
      yield { ...step(ProtocolFlag.silentBody, milterPacket("B", chunk)), isBody: true };
    }
  }
}

function clientOf(client: FilterInput["client"]) {
  const ip = parseIp(client.address);
  const address = ip === null ? client.address : formatIp(ip);
  const family = ip === null ? "U" : isIpv4(ip) ? "4" : "6";
  return { name: client.reverseName ?? `[${address}]`, address, family: Buffer.from(family) };
}

function portOf(port: number): Uint8Array {
  return new Uint8Array([port >> 8, port]);
}

/** As milters expect values: lines end in LF alone, no NUL, and mostly without the space behind the colon. */
function fieldValue(octets: Uint8Array, keepsSpace: boolean): Uint8Array {
  const isSpaced = octets[0] === SPACE || octets[0] === TAB;
  const value = octets.subarray(!keepsSpace && isSpaced ? 1 : 0);
  return value.filter((octet, at) => !(octet === CR && value[at + 1] === LF) && octet !== 0);
}

function oneLine(text: string): string {
  return text.slice(0, 200).replace(/[^ -~]/g, "?");
}
