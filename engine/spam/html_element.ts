/** What the elements of HTML are, as far as it matters to what a reader sees. */

export interface HtmlElement {
  /** In lower case. */
  readonly name: string;
  readonly isKnown: boolean;
  /** It begins on a line of its own and ends a paragraph. */
  readonly isBlock: boolean;
  /** What stands before and behind it: a line end, a space, nothing. */
  readonly separator: "\n" | " " | null;
  /** It has no end tag. */
  readonly isVoid: boolean;
  /** Its content is no HTML and not shown. */
  readonly isUnshown: boolean;
  /** Its end tag may be left out. */
  readonly isOptional: boolean;
  /** Its end tag reaches through blocks, which go on without it. */
  readonly isFormatting: boolean;
  readonly isTablePart: boolean;
  /** Where the search for an open element ends, from the nearest to the farthest. */
  readonly scope: Scope;
  /** Which kind of element its start tag ends first, and how far out that looks. */
  readonly ends: { readonly kind: Kind; readonly scope: Scope } | null;
  readonly kind: Kind | null;
}

/** Higher numbers end a search for more. */
export const Scope = { none: 0, list: 1, block: 2, table: 3 } as const;
export type Scope = typeof Scope[keyof typeof Scope];

export type Kind = "paragraph" | "item" | "term" | "option" | "anchor" | "cell" | "row" | "group";

const BLOCKS = set(
  "address article aside blockquote center dd details dir div dl dt fieldset figure footer form h1 h2 h3 h4 " +
    "h5 h6 header hr li main menu nav ol p pre section summary table ul",
);
const VOIDS = set(
  "area base basefont bgsound br col embed frame hr img input link meta param source track wbr",
);
const UNSHOWN = set("script style title iframe noembed noframes");
const OPTIONAL = set(
  "html head body p li dt dd option tr td th tbody thead tfoot colgroup caption",
);
const FORMATTING = set("a b big code em font i nobr s small strike strong tt u");
const TABLE_PARTS = set("table tr td th tbody thead tfoot caption html body");
const CELLS = set("td th option button");
const OTHERS = set("span label select textarea template object marquee noscript sup sub abbr");

const SCOPES: Readonly<Record<string, Scope>> = {
  ul: Scope.list,
  ol: Scope.list,
  dl: Scope.list,
  td: Scope.block,
  th: Scope.block,
  caption: Scope.block,
  object: Scope.block,
  marquee: Scope.block,
  button: Scope.block,
  table: Scope.table,
  template: Scope.table,
  html: Scope.table,
};
const KINDS: Readonly<Record<string, Kind>> = {
  p: "paragraph",
  li: "item",
  dt: "term",
  dd: "term",
  option: "option",
  a: "anchor",
  td: "cell",
  th: "cell",
  tr: "row",
  tbody: "group",
  thead: "group",
  tfoot: "group",
};
const SCOPE_OF_KIND: Readonly<Record<Kind, Scope>> = {
  paragraph: Scope.block,
  item: Scope.list,
  term: Scope.list,
  option: Scope.block,
  anchor: Scope.block,
  cell: Scope.table,
  row: Scope.table,
  group: Scope.table,
};

const ELEMENTS: ReadonlyMap<string, HtmlElement> = new Map(
  [BLOCKS, VOIDS, UNSHOWN, OPTIONAL, FORMATTING, TABLE_PARTS, CELLS, OTHERS]
    .flatMap((names) => [...names])
    .map((name) => [name, describe(name, true)]),
);

const BY_KEY: ReadonlyMap<number, HtmlElement> = new Map(
  Array.from(ELEMENTS, ([name, element]) => [nameKey(name, 0, name.length), element] as const)
    .filter(([key]) => key >= 0),
);
/** Longer names stand for elements we know nothing of; they all are one. */
const MAX_NAME_CHARACTERS = 32;

/** The element whose name stands there in any case. */
export function elementAt(html: string, start: number, end: number): HtmlElement {
  const element = BY_KEY.get(nameKey(html, start, end));
  if (element !== undefined) return element;
  const name = end - start > MAX_NAME_CHARACTERS ? "" : html.slice(start, end).toLowerCase();
  return ELEMENTS.get(name) ?? describe(name, false);
}

/**
 * A number for a name of up to five letters and digits, the same in any case; -1 for other names. Looking
 * up numbers spares cutting out and hashing a string for each tag and attribute.
 */
export function nameKey(text: string, start: number, end: number): number {
  if (end - start > 5) return -1;
  let key = 0;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    const lower = code | 0x20;
    if (lower >= 0x61 && lower <= 0x7a) key = key * 37 + lower - 0x60;
    else if (code >= 0x30 && code <= 0x39) key = key * 37 + code - 0x15;
    else return -1;
  }
  return key;
}

function describe(name: string, isKnown: boolean): HtmlElement {
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : null;
  const isLine = BLOCKS.has(name) || name === "br" || name === "tr";
  return {
    name,
    isKnown,
    isBlock: BLOCKS.has(name),
    separator: isLine ? "\n" : CELLS.has(name) ? " " : null,
    isVoid: VOIDS.has(name),
    isUnshown: UNSHOWN.has(name),
    isOptional: OPTIONAL.has(name),
    isFormatting: FORMATTING.has(name),
    isTablePart: TABLE_PARTS.has(name),
    scope: Object.hasOwn(SCOPES, name) ? SCOPES[name] : Scope.none,
    ends: kind === null ? null : { kind, scope: SCOPE_OF_KIND[kind] },
    kind,
  };
}

function set(names: string): ReadonlySet<string> {
  return new Set(names.split(" "));
}
