/** A message as its reader sees it, for those who judge it: bounded in every direction, whatever the octets are. */

export interface MessageContent {
  /** Every part in the order of the message, containers included; at most the reader's bound. */
  readonly parts: readonly MessagePart[];
  /** The text parts as a person reads them, HTML as text: decoded, entities resolved, bounded. */
  readonly text: string;
  /** Links and addresses of sites in text and HTML, each once, bounded. */
  readonly links: readonly Link[];
  /** What HTML parts do besides showing text. */
  readonly html: HtmlMarks | null;
  /** What is wrong with its form; each once. */
  readonly defects: readonly ContentDefect[];
}

export interface MessagePart {
  /** In lower case, `text/plain` when none is given or it cannot be read. */
  readonly mediaType: string;
  readonly charset: string | null;
  /** In lower case; `7bit` when none is given. */
  readonly transferEncoding: string;
  readonly disposition: "inline" | "attachment" | null;
  /** Decoded (RFC 2047, RFC 2231), bounded; `null` when the part has none. */
  readonly fileName: string | null;
  /** Containers above it. */
  readonly depth: number;
  /** Of the body as it stands in the message. */
  readonly sizeOctets: number;
  /** Its first octets decoded, for magic numbers. */
  readonly head: Uint8Array;
}

export interface Link {
  /** As written, bounded. */
  readonly url: string;
  /** In A-labels and lower case, or an IPv4 or IPv6 address without brackets. */
  readonly host: string;
  /** The text a reader sees in place of the link, empty for a picture; `null` where there is no anchor. */
  readonly shown: string | null;
}

export interface HtmlMarks {
  readonly images: number;
  readonly remoteImages: number;
  readonly forms: number;
  readonly scripts: number;
  /** Characters of text that a reader does not see: tiny, of the background's colour, not displayed. */
  readonly hiddenCharacters: number;
  readonly shownCharacters: number;
  readonly hasMetaRefresh: boolean;
  readonly hasBaseTag: boolean;
  readonly unclosedTags: number;
}

export type ContentDefect =
  | "too_many_parts"
  | "too_deep"
  | "boundary_missing"
  | "boundary_unclosed"
  | "bad_base64"
  | "bad_quoted_printable"
  | "unknown_transfer_encoding"
  | "unknown_charset"
  | "bad_charset_octets"
  | "bad_content_type"
  | "duplicate_content_field"
  | "header_unterminated"
  | "header_line_without_colon"
  | "eight_bit_header"
  | "truncated";
