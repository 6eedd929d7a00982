/** Signals of a message's form: faults of MIME, and what its HTML does besides showing text. */
import type { Findings } from "./findings.ts";
import type { MailView } from "./mail_view.ts";
import type { ContentDefect, HtmlMarks, MessageContent } from "./message_content.ts";
import type { SignalName } from "./signal_names.ts";

/** `null`: told elsewhere, or nobody's fault. */
const DEFECTS: Readonly<Record<ContentDefect, SignalName | null>> = {
  too_many_parts: "MIME_TOO_MANY_PARTS",
  too_deep: "MIME_TOO_DEEP",
  boundary_missing: "MIME_BOUNDARY_MISSING",
  boundary_unclosed: "MIME_BOUNDARY_UNCLOSED",
  bad_base64: "MIME_BAD_BASE64",
  bad_quoted_printable: "MIME_BAD_QUOTED_PRINTABLE",
  unknown_transfer_encoding: "MIME_UNKNOWN_ENCODING",
  unknown_charset: "MIME_UNKNOWN_CHARSET",
  bad_charset_octets: "MIME_BAD_CHARSET_OCTETS",
  bad_content_type: "MIME_BAD_CONTENT_TYPE",
  duplicate_content_field: "MIME_FIELD_TWICE",
  header_unterminated: null,
  header_line_without_colon: null,
  eight_bit_header: null,
  truncated: null,
};

export function findForm({ facts: { header, content } }: MailView, findings: Findings): void {
  for (const defect of content.defects) {
    const name = DEFECTS[defect];
    if (name !== null) findings.add(name);
  }
  if (header.has("content-type") && !header.has("mime-version")) {
    findings.add("MIME_VERSION_MISSING");
  }
  const isHidden = content.parts.some(({ mediaType, charset, transferEncoding, fileName, head }) =>
    mediaType.startsWith("text/") && transferEncoding === "base64" && fileName === null &&
    (charset === null || charset === "us-ascii") && head.every((octet) => octet < 0x80)
  );
  if (isHidden) findings.add("MIME_NEEDLESS_BASE64");
  if (content.html !== null) findHtml(content, content.html, findings);
}

const LITTLE_TEXT = 200;
const MUCH_HTML_OCTETS = 4_096;

function findHtml(content: MessageContent, html: HtmlMarks, findings: Findings): void {
  const texts = content.parts.filter(({ mediaType, disposition }) =>
    mediaType.startsWith("text/") && disposition !== "attachment"
  );
  if (texts.every(({ mediaType }) => mediaType === "text/html")) findings.add("HTML_ONLY");
  const octets = texts.reduce(
    (sum, { mediaType, sizeOctets }) => mediaType === "text/html" ? sum + sizeOctets : sum,
    0,
  );
  if (html.images > 0 && html.shownCharacters < LITTLE_TEXT) findings.add("HTML_IMAGE_ONLY");
  else if (octets > MUCH_HTML_OCTETS && html.shownCharacters < octets / 20) {
    findings.add("HTML_LITTLE_TEXT", `${html.shownCharacters} of ${octets}`);
  }
  if (html.hiddenCharacters > 60) {
    // Previews for lists of mail are hidden too, but short.
    const share = html.hiddenCharacters / (html.hiddenCharacters + html.shownCharacters);
    if (share > 0.2) findings.add("HTML_HIDDEN_TEXT", `${html.hiddenCharacters} characters`);
  }
  if (html.forms > 0) findings.add("HTML_FORM");
  if (html.scripts > 0) findings.add("HTML_SCRIPT");
  if (html.hasMetaRefresh) findings.add("HTML_META_REFRESH");
  if (html.hasBaseTag) findings.add("HTML_BASE_TAG");
  if (html.unclosedTags > 10) findings.add("HTML_UNCLOSED_TAGS", String(html.unclosedTags));
}
