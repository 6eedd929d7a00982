/**
 * Walks the parts of a message (RFC 2046 §5): where each one's body lies and what its header says of it.
 * One pass over the octets with a stack of open containers, whichever boundary a line has; a delimiter of
 * an outer container ends the inner ones. Decodes nothing but a message wrapped in base64.
 */
import { type HeaderSection, readHeaderSection } from "../mail/header_section.ts";
import { type ContentFields, readContentFields } from "./content_fields.ts";
import { DashLines } from "./dash_lines.ts";
import type { ContentDefect } from "./message_content.ts";
import { decodeTransfer } from "./transfer_decoding.ts";

export interface PartSpan {
  readonly fields: ContentFields;
  /** Containers above it. */
  readonly depth: number;
  /** What the offsets count in: the message, or one that was decoded from it. */
  readonly octets: Uint8Array;
  readonly startOctet: number;
  readonly endOctet: number;
  /**
   * `opened`: its parts follow it. `shapeless`: a multipart without a single delimiter. `closed`: a
   * container that was not looked into.
   */
  readonly role: "leaf" | "opened" | "shapeless" | "closed";
}

export interface WalkBounds {
  readonly maxParts: number;
  readonly maxDepth: number;
  readonly maxFileNameCharacters: number;
  /** Of messages that are wrapped in base64, all together. */
  readonly maxUnwrappedOctets: number;
}

/** Larger header sections of parts are cut; what follows is body. */
const MAX_PART_HEADER_OCTETS = 65_536;
const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;

/** The parts in the order of the message; the first is the message itself. */
export function walkParts(
  octets: Uint8Array,
  header: HeaderSection,
  options: WalkBounds & { readonly note: (defect: ContentDefect) => void },
): PartSpan[] {
  const progress = { spans: [], isFull: false, unwrappedOctets: 0, options };
  new Walk(octets, progress).run(header, 0);
  return progress.spans;
}

type Span = { -readonly [Key in keyof PartSpan]: PartSpan[Key] };

/** Shared between a message and those unwrapped from it. */
interface Progress {
  readonly spans: Span[];
  isFull: boolean;
  unwrappedOctets: number;
  readonly options: WalkBounds & { readonly note: (defect: ContentDefect) => void };
}

interface Container {
  readonly span: Span;
  /** `null` for a message, which has none. */
  readonly boundary: string | null;
  state: "preamble" | "parts" | "epilogue";
}

interface Delimiter {
  readonly startOctet: number;
  /** Behind its line. */
  readonly nextOctet: number;
  /** Index of its container. */
  readonly container: number;
  readonly isClosing: boolean;
}

class Walk {
  readonly #octets: Uint8Array;
  readonly #progress: Progress;
  readonly #lines: DashLines;
  readonly #open: Container[] = [];
  #leaf: Span | null = null;

  constructor(octets: Uint8Array, progress: Progress) {
    this.#octets = octets;
    this.#progress = progress;
    this.#lines = new DashLines(octets);
  }

  run(header: HeaderSection, depth: number) {
    const total = this.#octets.length;
    const root = { header, view: this.#octets, bodyOctet: header.bodyOctet };
    let at = this.#start(root, { depth, defaultType: "text/plain" });
    while (!this.#progress.isFull && this.#open.length > 0) {
      const delimiter = this.#nextDelimiter(at, total);
      if (delimiter === null) break;
      this.#end(delimiter.container + 1, this.#beforeLineEnd(delimiter.startOctet));
      const { span } = this.#open[delimiter.container];
      if (delimiter.isClosing) {
        this.#close(this.#open[delimiter.container]);
        at = delimiter.nextOctet;
        continue;
      }
      this.#open[delimiter.container].state = "parts";
      const defaultType = span.fields.mediaType === "multipart/digest"
        ? "message/rfc822"
        : "text/plain";
      const part = this.#headerAt(delimiter.nextOctet);
      at = this.#start(part, { depth: span.depth + 1, defaultType });
    }
    this.#end(0, total);
  }

  /** Begins a part, and the message inside it if it is one; returns where its body starts. */
  #start(
    first: PartHeader,
    options: { readonly depth: number; readonly defaultType: string },
  ): number {
    const { spans, options: bounds } = this.#progress;
    let { depth, defaultType } = options;
    for (let part = first;; depth++) {
      const startOctet = part.bodyOctet;
      if (spans.length >= bounds.maxParts) {
        bounds.note("too_many_parts");
        this.#progress.isFull = true;
        return startOctet;
      }
      const fields = readContentFields(part.view, part.header, { ...bounds, defaultType });
      const octets = this.#octets;
      const span: Span = {
        fields,
        depth,
        octets,
        startOctet,
        endOctet: octets.length,
        role: "leaf",
      };
      spans.push(span);
      const isMessage = fields.mediaType === "message/rfc822" ||
        fields.mediaType === "message/global";
      const isMultipart = fields.mediaType.startsWith("multipart/");
      if (isMessage || isMultipart) span.role = this.#roleOf(span);
      if (span.role !== "opened") {
        this.#leaf = span;
        return startOctet;
      }
      this.#open.push({ span, boundary: fields.boundary, state: "preamble" });
      if (isMultipart) return startOctet;
      part = this.#headerAt(startOctet);
      defaultType = "text/plain";
    }
  }

  #roleOf({ fields, depth }: Span): PartSpan["role"] {
    const { note, maxDepth } = this.#progress.options;
    if (depth >= maxDepth) {
      note("too_deep");
      return "closed";
    }
    if (fields.mediaType.startsWith("multipart/")) {
      if (fields.boundary !== null) return "opened";
      note("boundary_missing");
      return "shapeless";
    }
    // RFC 2046 §5.2.1 forbids it, and mail programs show what is inside.
    return fields.transferEncoding === "base64" ? "closed" : "opened";
  }

  /** The header section of a part; a delimiter of an open container ends it too. */
  #headerAt(start: number): PartHeader {
    const { note } = this.#progress.options;
    const farthest = Math.min(this.#octets.length, start + MAX_PART_HEADER_OCTETS);
    const limit = this.#nextDelimiter(start, farthest)?.startOctet ?? farthest;
    const view = this.#octets.subarray(start, limit);
    const header = readHeaderSection(view, { maxOctets: MAX_PART_HEADER_OCTETS });
    if (!header.hasOnlyFields()) {
      note("header_line_without_colon");
      const { value: first } = header.fields().next();
      if (first?.startOctet !== 0 && !isMailboxLine(view)) {
        // No header at all: what stands there is taken for the body, which is safer than to lose it.
        return { header: readHeaderSection(view.subarray(0, 0)), view, bodyOctet: start };
      }
    }
    if (!header.isTerminated) note("header_unterminated");
    return { header, view, bodyOctet: start + header.bodyOctet };
  }

  #nextDelimiter(from: number, limit: number): Delimiter | null {
    const lines = this.#lines;
    for (let at = lines.next(from); at < limit; at = lines.next(at + 2)) {
      const delimiter = this.#delimiterAt(at);
      if (delimiter !== null) return delimiter;
    }
    return null;
  }

  #delimiterAt(startOctet: number): Delimiter | null {
    const line = this.#lines.line(startOctet);
    if (line === null) return null;
    const { text, nextOctet } = line;
    let lenient: Delimiter | null = null;
    for (let container = this.#open.length - 1; container >= 0; container--) {
      const { boundary, state } = this.#open[container];
      if (boundary === null || state === "epilogue" || !text.startsWith(boundary, 2)) continue;
      const end = 2 + boundary.length;
      const isClosing = text.startsWith("--", end);
      const surplus = text.charCodeAt(isClosing ? end + 2 : end);
      // The whole line counts first, since a boundary may begin with another one.
      if (Number.isNaN(surplus)) return { startOctet, nextOctet, container, isClosing };
      // RFC 2046 §5.1.1 asks for no more than that the line begins so; a word behind it is common ground.
      if (surplus === SPACE || surplus === TAB) {
        lenient ??= { startOctet, nextOctet, container, isClosing };
      }
    }
    return lenient;
  }

  /** Ends the leaf and the open containers from an index on. */
  #end(from: number, endOctet: number) {
    const { note } = this.#progress.options;
    const leaf = this.#leaf;
    this.#leaf = null;
    if (leaf !== null) {
      leaf.endOctet = Math.max(leaf.startOctet, endOctet);
      if (leaf.role === "closed") this.#unwrap(leaf);
    }
    while (this.#open.length > from) {
      const { span, boundary, state } = this.#open.pop()!;
      span.endOctet = Math.max(span.startOctet, endOctet);
      if (boundary === null || this.#progress.isFull || state === "epilogue") continue;
      if (state === "preamble") span.role = "shapeless";
      note(state === "preamble" ? "boundary_missing" : "boundary_unclosed");
    }
  }

  #close(container: Container) {
    if (container.state === "preamble") {
      container.span.role = "shapeless";
      this.#progress.options.note("boundary_missing");
    }
    container.state = "epilogue";
  }

  /** Opens a message that stands there in base64. */
  #unwrap(span: Span) {
    const progress = this.#progress;
    const { fields, depth, startOctet, endOctet } = span;
    if (depth >= progress.options.maxDepth || fields.transferEncoding !== "base64") return;
    const { octets, isCut } = decodeTransfer(this.#octets.subarray(startOctet, endOctet), {
      encoding: "base64",
      maxOctets: progress.options.maxUnwrappedOctets - progress.unwrappedOctets,
    });
    if (isCut) progress.options.note("truncated");
    if (octets.length === 0) return;
    progress.unwrappedOctets += octets.length;
    span.role = "opened";
    new Walk(octets, progress).run(readHeaderSection(octets), depth + 1);
  }

  /** RFC 2046 §5.1.1: the line end before a delimiter belongs to it. */
  #beforeLineEnd(startOctet: number): number {
    let end = startOctet;
    if (end > 0 && this.#octets[end - 1] === LF) end--;
    if (end > 0 && this.#octets[end - 1] === CR) end--;
    return end;
  }
}

interface PartHeader {
  readonly header: HeaderSection;
  /** What the header's offsets count in. */
  readonly view: Uint8Array;
  readonly bodyOctet: number;
}

/** The separator of mailbox files (RFC 4155), which exports leave on top of a message. */
function isMailboxLine(view: Uint8Array): boolean {
  const at = view[0] === 0x3e ? 1 : 0;
  return [0x46, 0x72, 0x6f, 0x6d, 0x20].every((octet, index) => view[at + index] === octet);
}
