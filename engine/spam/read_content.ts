/**
 * Reads a message as its reader sees it: the parts, the text that is shown, the links, and what is wrong
 * with the form. Total: any octets give an answer, in time that grows with their number and memory that
 * the bounds limit. Attachments are decoded for their first octets only, and nothing is ever decompressed.
 */
import { isAscii } from "node:buffer";
import type { HeaderSection } from "../mail/header_section.ts";
import { decodeCharset, type DecodedText } from "./charset.ts";
import type { ContentFields } from "./content_fields.ts";
import { readHtml } from "./html_text.ts";
import { withoutInvisible } from "./invisible_characters.ts";
import { LinkCollector } from "./links.ts";
import type { ContentDefect, HtmlMarks, MessageContent, MessagePart } from "./message_content.ts";
import { type PartSpan, walkParts } from "./mime_parts.ts";
import { decodeTransfer } from "./transfer_decoding.ts";

export interface ContentBounds {
  readonly maxParts: number;
  /** Containers within containers; those further in are not opened. */
  readonly maxDepth: number;
  /** Of all text parts together once decoded, markup included. */
  readonly maxTextOctets: number;
  readonly maxLinks: number;
  readonly maxUrlCharacters: number;
  readonly maxFileNameCharacters: number;
  readonly maxHeadOctets: number;
}

export const CONTENT_BOUNDS: ContentBounds = {
  maxParts: 200,
  maxDepth: 20,
  maxTextOctets: 262_144,
  maxLinks: 200,
  maxUrlCharacters: 2_048,
  maxFileNameCharacters: 255,
  maxHeadOctets: 64,
};

/** How much of an encoded part is read for its head, however much of that is junk. */
const HEAD_ENCODED_OCTETS_EACH = 16;
const HTML_TYPES: ReadonlySet<string> = new Set([
  "text/html",
  "text/x-amp-html",
  "application/xhtml+xml",
]);
const HTML_NAME = /\.[sx]?html?$/i;

/**
 * @param octets the whole message; not kept.
 * @param header of this message.
 */
export function readContent(
  octets: Uint8Array,
  header: HeaderSection,
  bounds: ContentBounds = CONTENT_BOUNDS,
): MessageContent {
  const defects = new Set<ContentDefect>();
  const note = (defect: ContentDefect) => {
    defects.add(defect);
  };
  noteHeaderDefects(octets, header, note);
  const maxUnwrappedOctets = bounds.maxTextOctets;
  const spans = walkParts(octets, header, { ...bounds, maxUnwrappedOctets, note });
  const text = new TextReader(bounds, note);
  const parts = spans.map((span): MessagePart => {
    text.read(span);
    const { mediaType, charset, transferEncoding, disposition, fileName } = span.fields;
    return {
      mediaType,
      charset,
      transferEncoding,
      disposition,
      fileName,
      depth: span.depth,
      sizeOctets: span.endOctet - span.startOctet,
      head: headOf(span, { maxOctets: bounds.maxHeadOctets, note }),
    };
  });
  return { parts, ...text.end(), defects: [...defects] };
}

type Note = (defect: ContentDefect) => void;

function noteHeaderDefects(octets: Uint8Array, header: HeaderSection, note: Note) {
  if (!header.isTerminated) note("header_unterminated");
  if (!header.hasOnlyFields()) note("header_line_without_colon");
  if (!isAscii(octets.subarray(0, header.sizeOctets))) note("eight_bit_header");
}

function headOf(
  { fields, octets, startOctet, endOctet, role }: PartSpan,
  { maxOctets, note }: { readonly maxOctets: number; readonly note: Note },
): Uint8Array {
  const body = octets.subarray(startOctet, endOctet);
  // RFC 2045 §6.4: what holds parts is not encoded.
  const encoding = role === "opened" ? "binary" : fields.transferEncoding;
  const maxEncodedOctets = maxOctets * HEAD_ENCODED_OCTETS_EACH;
  const decoded = decodeTransfer(body, { encoding, maxOctets, maxEncodedOctets });
  if (decoded.defect !== null) note(decoded.defect);
  // A copy, which does not keep the message in memory.
  return new Uint8Array(decoded.octets);
}

/** Reads text parts one after another within one bound. */
class TextReader {
  readonly #note: Note;
  readonly #links: LinkCollector;
  readonly #texts: string[] = [];
  #roomOctets: number;
  #marks: HtmlMarks | null = null;

  constructor(bounds: ContentBounds, note: Note) {
    this.#note = note;
    this.#links = new LinkCollector(bounds);
    this.#roomOctets = bounds.maxTextOctets;
  }

  /** Takes the part in if a reader sees it as text. */
  read({ fields, octets, startOctet, endOctet, role }: PartSpan) {
    const kind = textKind(fields, role);
    if (kind === null || endOctet <= startOctet) return;
    const decoded = decodeTransfer(octets.subarray(startOctet, endOctet), {
      encoding: fields.transferEncoding,
      maxOctets: this.#roomOctets,
    });
    this.#roomOctets -= decoded.octets.length;
    if (decoded.defect !== null) this.#note(decoded.defect);
    if (decoded.isCut) this.#note("truncated");
    const { charset } = fields;
    const read = decodeCharset(decoded.octets, { charset, isCut: decoded.isCut });
    if (read.defect !== null) this.#note(read.defect);
    if (kind === "html") this.#readHtml(read.text);
    else this.#readPlain(read);
  }

  end(): Pick<MessageContent, "text" | "links" | "html"> {
    if (this.#links.isCut) this.#note("truncated");
    return { text: this.#texts.join("\n"), links: this.#links.links, html: this.#marks };
  }

  #readPlain({ text: raw, isAscii }: DecodedText) {
    const lines = raw.replaceAll("\r\n", "\n");
    const text = isAscii ? lines : withoutInvisible(lines);
    this.#links.addFromText(text);
    if (text !== "") this.#texts.push(text.toWellFormed());
  }

  #readHtml(html: string) {
    const { text, marks } = readHtml(html, this.#links);
    if (text !== "") this.#texts.push(text.toWellFormed());
    this.#marks = this.#marks === null ? marks : sumOf(this.#marks, marks);
  }
}

/** How a mail program shows the part: as text, as HTML, or as a file. */
function textKind(fields: ContentFields, role: PartSpan["role"]): "plain" | "html" | null {
  // Mail programs show what they find where a multipart has no parts.
  if (role === "shapeless") return "plain";
  if (role !== "leaf") return null;
  const { mediaType, disposition, fileName } = fields;
  // Attached HTML is a click away from a browser, so it counts like any other.
  if (HTML_TYPES.has(mediaType)) return "html";
  if (fileName !== null && HTML_NAME.test(fileName)) return "html";
  return mediaType.startsWith("text/") && disposition !== "attachment" ? "plain" : null;
}

function sumOf(one: HtmlMarks, other: HtmlMarks): HtmlMarks {
  return {
    images: one.images + other.images,
    remoteImages: one.remoteImages + other.remoteImages,
    forms: one.forms + other.forms,
    scripts: one.scripts + other.scripts,
    hiddenCharacters: one.hiddenCharacters + other.hiddenCharacters,
    shownCharacters: one.shownCharacters + other.shownCharacters,
    hasMetaRefresh: one.hasMetaRefresh || other.hasMetaRefresh,
    hasBaseTag: one.hasBaseTag || other.hasBaseTag,
    unclosedTags: one.unclosedTags + other.unclosedTags,
  };
}
