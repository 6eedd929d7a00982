/** The line that every filter takes for spam, so that people can try theirs (spamassassin.apache.org/gtube). */

/** In two pieces, so that this file itself may be mailed. */
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

export function hasGtube(text: string): boolean {
  return text.includes(GTUBE);
}
