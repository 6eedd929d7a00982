/**
 * Character references of HTML: numbers, the names of HTML 4 and those of later ones that stand for ASCII,
 * which only who hides something writes. Other names stay as they are written.
 */

/** U+00A0 to U+00FF in order; they need no semicolon. */
const LATIN1 =
  "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg " +
  "plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 " +
  "iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml " +
  "Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave " +
  "Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil " +
  "egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde " +
  "ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

/** Each name and what it stands for in hexadecimal. */
const OTHERS =
  "Tab=9 NewLine=a excl=21 num=23 dollar=24 percnt=25 apos=27 lpar=28 rpar=29 ast=2a " +
  "plus=2b comma=2c period=2e sol=2f colon=3a semi=3b equals=3d quest=3f commat=40 lsqb=5b " +
  "lbrack=5b bsol=5c rsqb=5d rbrack=5d lowbar=5f grave=60 lcub=7b verbar=7c vert=7c rcub=7d " +
  "NonBreakingSpace=a0 OElig=152 oelig=153 Scaron=160 scaron=161 Yuml=178 fnof=192 circ=2c6 " +
  "tilde=2dc Alpha=391 Beta=392 Gamma=393 Delta=394 Epsilon=395 Zeta=396 Eta=397 Theta=398 " +
  "Iota=399 Kappa=39a Lambda=39b Mu=39c Nu=39d Xi=39e Omicron=39f Pi=3a0 Rho=3a1 Sigma=3a3 " +
  "Tau=3a4 Upsilon=3a5 Phi=3a6 Chi=3a7 Psi=3a8 Omega=3a9 alpha=3b1 beta=3b2 gamma=3b3 " +
  "delta=3b4 epsilon=3b5 zeta=3b6 eta=3b7 theta=3b8 iota=3b9 kappa=3ba lambda=3bb mu=3bc " +
  "nu=3bd xi=3be omicron=3bf pi=3c0 rho=3c1 sigmaf=3c2 sigma=3c3 tau=3c4 upsilon=3c5 " +
  "phi=3c6 chi=3c7 psi=3c8 omega=3c9 thetasym=3d1 upsih=3d2 piv=3d6 ensp=2002 emsp=2003 " +
  "numsp=2007 puncsp=2008 thinsp=2009 hairsp=200a ZeroWidthSpace=200b zwnj=200c zwj=200d " +
  "lrm=200e rlm=200f hyphen=2010 dash=2010 ndash=2013 mdash=2014 lsquo=2018 rsquo=2019 " +
  "sbquo=201a ldquo=201c rdquo=201d bdquo=201e dagger=2020 Dagger=2021 bull=2022 " +
  "bullet=2022 hellip=2026 permil=2030 prime=2032 Prime=2033 lsaquo=2039 rsaquo=203a " +
  "oline=203e frasl=2044 NoBreak=2060 euro=20ac image=2111 weierp=2118 real=211c trade=2122 " +
  "alefsym=2135 larr=2190 uarr=2191 rarr=2192 darr=2193 harr=2194 crarr=21b5 lArr=21d0 " +
  "uArr=21d1 rArr=21d2 dArr=21d3 hArr=21d4 forall=2200 part=2202 exist=2203 empty=2205 " +
  "nabla=2207 isin=2208 notin=2209 ni=220b prod=220f sum=2211 minus=2212 lowast=2217 " +
  "radic=221a prop=221d infin=221e ang=2220 and=2227 or=2228 cap=2229 cup=222a int=222b " +
  "there4=2234 sim=223c cong=2245 asymp=2248 ne=2260 equiv=2261 le=2264 ge=2265 sub=2282 " +
  "sup=2283 nsub=2284 sube=2286 supe=2287 oplus=2295 otimes=2297 perp=22a5 sdot=22c5 " +
  "lceil=2308 rceil=2309 lfloor=230a rfloor=230b lang=2329 rang=232a loz=25ca starf=2605 " +
  "star=2606 phone=260e spades=2660 clubs=2663 hearts=2665 diams=2666 check=2713 fflig=fb00 " +
  "filig=fb01 fllig=fb02";

const NAMED: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ...LATIN1.split(" ").map((name, index) => [name, String.fromCharCode(0xa0 + index)] as const),
  ...OTHERS.split(" ").map((entry) => {
    const [name, code] = entry.split("=");
    return [name, String.fromCharCode(parseInt(code, 16))] as const;
  }),
]);
const WITHOUT_SEMICOLON: ReadonlySet<string> = new Set([
  "amp",
  "lt",
  "gt",
  "quot",
  ...LATIN1.split(" "),
]);

/** What the numbers 128 to 159 stand for, as if they were octets of Windows-1252; 0 where nothing. */
const WINDOWS_1252 = [
  0x20ac,
  0,
  0x201a,
  0x192,
  0x201e,
  0x2026,
  0x2020,
  0x2021,
  0x2c6,
  0x2030,
  0x160,
  0x2039,
  0x152,
  0,
  0x17d,
  0,
  0,
  0x2018,
  0x2019,
  0x201c,
  0x201d,
  0x2022,
  0x2013,
  0x2014,
  0x2dc,
  0x2122,
  0x161,
  0x203a,
  0x153,
  0,
  0x17e,
  0x178,
];

/** Longer numbers are read as far as this, which is beyond all characters. */
const MAX_DIGITS = 10;
const MAX_NAME_CHARACTERS = 24;
/** Of names without a semicolon, which other letters may follow. */
const LONGEST_BARE = 6;
const SHORTEST_BARE = 2;

/**
 * Resolves references, each once; never longer than it was.
 *
 * @param place in attributes a name without its semicolon counts only where it ends, for it may belong to
 * the query of a URL.
 */
export function decodeReferences(text: string, place: "text" | "attribute"): string {
  let ampersand = text.indexOf("&");
  if (ampersand < 0) return text;
  let out = "";
  let from = 0;
  while (ampersand >= 0) {
    const isNumber = text.charCodeAt(ampersand + 1) === NUMBER_SIGN;
    const start = ampersand + (isNumber ? 2 : 1);
    const reference = isNumber ? readNumber(text, start) : readName(text, start, place);
    if (reference !== null) {
      out += text.slice(from, ampersand) + reference.text;
      from = reference.end;
    }
    ampersand = text.indexOf("&", reference?.end ?? start);
  }
  return out + text.slice(from);
}

const NUMBER_SIGN = 0x23;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;

interface Reference {
  readonly text: string;
  readonly end: number;
}

function readName(
  text: string,
  start: number,
  place: "text" | "attribute",
): Reference | null {
  let end = start;
  const limit = Math.min(text.length, start + MAX_NAME_CHARACTERS);
  while (end < limit && isAlphanumeric(text.charCodeAt(end))) end++;
  const name = text.slice(start, end);
  if (text.charCodeAt(end) === SEMICOLON) {
    const resolved = NAMED.get(name);
    if (resolved !== undefined) return { text: resolved, end: end + 1 };
  }
  if (place === "attribute") {
    if (text.charCodeAt(end) === EQUALS || !WITHOUT_SEMICOLON.has(name)) return null;
    return { text: NAMED.get(name)!, end };
  }
  for (let length = Math.min(name.length, LONGEST_BARE); length >= SHORTEST_BARE; length--) {
    const bare = name.slice(0, length);
    if (WITHOUT_SEMICOLON.has(bare)) return { text: NAMED.get(bare)!, end: start + length };
  }
  return null;
}

function readNumber(text: string, start: number): Reference | null {
  const isHex = (text.charCodeAt(start) | 0x20) === 0x78;
  const first = isHex ? start + 1 : start;
  let end = first;
  while (isHex ? isHexDigit(text.charCodeAt(end)) : isDigit(text.charCodeAt(end))) end++;
  if (end === first) return null;
  // Zeros in front may be many.
  let significant = first;
  while (significant < end - 1 && text[significant] === "0") significant++;
  const digits = text.slice(significant, Math.min(end, significant + MAX_DIGITS));
  const code = parseInt(digits, isHex ? 16 : 10);
  return { text: character(code), end: text.charCodeAt(end) === SEMICOLON ? end + 1 : end };
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isHexDigit(code: number): boolean {
  return isDigit(code) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66);
}

function isAlphanumeric(code: number): boolean {
  return isDigit(code) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a);
}

function character(code: number): string {
  if (code >= 0x80 && code <= 0x9f) code = WINDOWS_1252[code - 0x80] || code;
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  return String.fromCodePoint(code);
}
