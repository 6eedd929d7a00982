/**
 * Whether a reader sees the text of an element, by the styles written into it and its ancestors: not
 * displayed, transparent, tiny, or of the background's colour. Knows no style sheets and no layout.
 */

/** How text looks in an element; children begin with their parent's. */
export interface Look {
  /** Not displayed, clipped to nothing or transparent: no child can undo it. */
  readonly isGone: boolean;
  readonly isInvisible: boolean;
  readonly isTiny: boolean;
  /** 0xRRGGBB. */
  readonly color: number;
  /** `null` where it cannot be told, an image, say. */
  readonly background: number | null;
  /** What all of it comes to. */
  readonly isHidden: boolean;
}

/** What an element declares; `undefined` leaves it to the parent. */
export interface Declared {
  readonly isGone?: boolean;
  readonly isInvisible?: boolean;
  readonly isTiny?: boolean;
  readonly color?: number | "transparent";
  readonly background?: number | null;
}

export const PAGE_LOOK: Look = {
  isGone: false,
  isInvisible: false,
  isTiny: false,
  color: 0x000000,
  background: 0xffffff,
  isHidden: false,
};

const MAX_STYLE_CHARACTERS = 2_000;
/** Channels that differ less than this look alike. */
const VISIBLE_DIFFERENCE = 12;
/** Further out than this, in pixels, text is off every screen. */
const OFF_SCREEN = -900;

/** The look of an element inside one that looks like `parent`. */
export function lookInside(parent: Look, declared: Declared): Look {
  const color = typeof declared.color === "number" ? declared.color : parent.color;
  const background = declared.background === undefined ? parent.background : declared.background;
  const isGone = parent.isGone || declared.isGone === true || declared.color === "transparent";
  const isInvisible = declared.isInvisible ?? parent.isInvisible;
  const isTiny = declared.isTiny ?? parent.isTiny;
  const isHidden = isGone || isInvisible || isTiny ||
    (background !== null && areAlike(color, background));
  return { isGone, isInvisible, isTiny, color, background, isHidden };
}

type Declaring = { -readonly [Key in keyof Declared]: Declared[Key] };

/** Reads the declarations of a style attribute. */
export function parseStyle(style: string): Declared {
  const declared: Declaring = {};
  let isClipping = false;
  let hasNoRoom = false;
  for (const declaration of style.slice(0, MAX_STYLE_CHARACTERS).toLowerCase().split(";")) {
    const colon = declaration.indexOf(":");
    if (colon < 0) continue;
    const important = declaration.indexOf("!");
    const value = declaration.slice(colon + 1, important < 0 ? undefined : important).trim();
    switch (declaration.slice(0, colon).trim()) {
      case "display":
        if (value === "none") declared.isGone = true;
        break;
      case "mso-hide":
        if (value === "all") declared.isGone = true;
        break;
      case "visibility":
        declared.isInvisible = value === "hidden" || value === "collapse";
        break;
      case "opacity":
        if (isNothing(value, 0.05)) declared.isGone = true;
        break;
      case "max-height":
        if (isNothing(value, 0)) declared.isGone = true;
        break;
      case "height":
      case "width":
      case "max-width":
        if (isNothing(value, 1)) hasNoRoom = true;
        break;
      case "overflow":
        isClipping = value === "hidden";
        break;
      case "text-indent":
      case "left":
      case "top":
      case "margin-left":
        if (parseFloat(value) < OFF_SCREEN) declared.isGone = true;
        break;
      case "font":
      case "font-size":
        assign(declared, "isTiny", isTinyFont(value));
        break;
      case "color":
        assign(declared, "color", isTransparent(value) ? "transparent" : parseColor(value));
        break;
      case "background":
      case "background-color":
        if (!isTransparent(value) && value !== "none") declared.background = backgroundOf(value);
        break;
      case "background-image":
        if (value !== "none") declared.background = null;
        break;
    }
  }
  if (isClipping && hasNoRoom) declared.isGone = true;
  return declared;
}

function assign<Key extends keyof Declaring>(
  declared: Declaring,
  key: Key,
  value: Declaring[Key] | null,
) {
  if (value !== null) declared[key] = value;
}

const NAMED_COLORS: Readonly<Record<string, number>> = {
  white: 0xffffff,
  black: 0x000000,
  silver: 0xc0c0c0,
  gray: 0x808080,
  grey: 0x808080,
  red: 0xff0000,
  maroon: 0x800000,
  yellow: 0xffff00,
  olive: 0x808000,
  lime: 0x00ff00,
  green: 0x008000,
  aqua: 0x00ffff,
  cyan: 0x00ffff,
  teal: 0x008080,
  blue: 0x0000ff,
  navy: 0x000080,
  fuchsia: 0xff00ff,
  magenta: 0xff00ff,
  purple: 0x800080,
  orange: 0xffa500,
  pink: 0xffc0cb,
  brown: 0xa52a2a,
  snow: 0xfffafa,
  ivory: 0xfffff0,
  ghostwhite: 0xf8f8ff,
  whitesmoke: 0xf5f5f5,
  lightgray: 0xd3d3d3,
  lightgrey: 0xd3d3d3,
  darkgray: 0xa9a9a9,
  darkgrey: 0xa9a9a9,
};

const HEX_COLOR = /^#[0-9a-f]{6}$/;
const RGB = /^rgba?\(\s{0,9}(\d{1,3})[\s,]{1,9}(\d{1,3})[\s,]{1,9}(\d{1,3})/;
const ALPHA_NOTHING = /^(?:rgba|hsla?|rgb)\([^)]{1,40}[,/]\s{0,9}0?\.?0{1,9}%?\s{0,9}\)$/;

/** A colour in lower case as CSS and HTML write it; `null` when it is none we know. */
export function parseColor(value: string): number | null {
  if (value.length === 7 && value.startsWith("#")) {
    return HEX_COLOR.test(value) ? parseInt(value.slice(1), 16) : null;
  }
  if (Object.hasOwn(NAMED_COLORS, value)) return NAMED_COLORS[value];
  if (/^#[0-9a-f]{8}$/.test(value)) return parseInt(value.slice(1, 7), 16);
  if (/^#[0-9a-f]{3,4}$/.test(value)) {
    const [, red, green, blue] = value;
    return parseInt(red + red + green + green + blue + blue, 16);
  }
  // Attributes of old HTML do without the sign.
  if (/^[0-9a-f]{6}$/.test(value)) return parseInt(value, 16);
  const rgb = RGB.exec(value);
  if (rgb === null) return null;
  const [red, green, blue] = rgb.slice(1).map((channel) => Math.min(255, Number(channel)));
  return red << 16 | green << 8 | blue;
}

function isTransparent(value: string): boolean {
  if (value === "transparent") return true;
  if (/^#[0-9a-f]{6}00$/.test(value) || /^#[0-9a-f]{3}0$/.test(value)) return true;
  return value.length < 80 && value.split(/[,/]/).length === 4 && ALPHA_NOTHING.test(value);
}

/** `null` for an image or a colour we do not know. */
function backgroundOf(value: string): number | null {
  if (value.includes("url(") || value.includes("gradient")) return null;
  const space = value.startsWith("rgb") ? -1 : value.indexOf(" ");
  return parseColor(space < 0 ? value : value.slice(0, space));
}

/** Whether a length, or a share, is at most `most`. */
function isNothing(value: string, most: number): boolean {
  const number = parseFloat(value);
  if (!(number >= 0)) return false;
  return value.endsWith("%") ? number / 100 <= Math.min(most, 0.05) : number <= most;
}

const FONT_SIZE = /(?:^|\s)([0-9]{0,6}\.?[0-9]{1,6})(px|pt|em|rem|ex|%|vw|vh|mm|cm|in|)(?=[\s/]|$)/;

/** `null` when it does not say. */
function isTinyFont(value: string): boolean | null {
  const size = FONT_SIZE.exec(value.slice(0, 200));
  if (size === null) return /^(?:x+-)?(?:small|large)|medium|initial/.test(value) ? false : null;
  const number = Number(size[1]);
  if (number === 0) return true;
  switch (size[2]) {
    case "px":
    case "pt":
      return number <= 1;
    case "em":
    case "rem":
    case "ex":
      // Relative to a parent that may be tiny itself.
      return number <= 0.1 ? true : size[2] === "rem" ? false : null;
    case "%":
      return number <= 10 ? true : null;
    case "":
      // No unit: CSS takes 0 only, a `font` may hold a weight.
      return null;
    default:
      return number <= 0.1;
  }
}

function areAlike(one: number, other: number): boolean {
  return Math.abs((one >> 16) - (other >> 16)) < VISIBLE_DIFFERENCE &&
    Math.abs((one >> 8 & 0xff) - (other >> 8 & 0xff)) < VISIBLE_DIFFERENCE &&
    Math.abs((one & 0xff) - (other & 0xff)) < VISIBLE_DIFFERENCE;
}
