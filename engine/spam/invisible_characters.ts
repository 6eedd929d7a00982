/** Characters that take no room on a screen; senders put them into words to hide these from filters. */

const INVISIBLE =
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\u{e0000}-\u{e0fff}]+/gu;

export function withoutInvisible(text: string): string {
  return text.replace(INVISIBLE, "");
}
