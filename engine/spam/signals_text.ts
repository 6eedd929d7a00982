/** Signals of the text itself: how it is written, and what can be told from figures in it. */
import type { Findings } from "./findings.ts";
import type { MailView } from "./mail_view.ts";
import { textMarks } from "./text_marks.ts";

const MAX_CHARACTERS = 40_000;
/** Fewer letters prove no habit. */
const MIN_LETTERS = 120;
const MANY_CAPITALS = 0.4;
const FEW_WORDS = 25;

/** Addresses of Bitcoin and Ethereum. */
const COIN = /\b(?:bc1[02-9ac-hj-np-z]{25,59}|[13][1-9A-HJ-NP-Za-km-z]{25,34}|0x[0-9a-fA-F]{40})\b/;
/** Numbers of North America that cost the caller nothing. */
const TOLL_FREE = /\b1?[-. (]{0,2}8(?:00|33|44|55|66|77|88)[-. )]{1,2}[0-9]{3}[-. ][0-9]{4}\b/;
const LARGE_SUM = /(?:[$£€]|USD|US\$|EUR) ?[0-9]{1,3}(?:[,.][0-9]{3}){1,4}\b/;

export function findText({ facts: { content } }: MailView, findings: Findings): void {
  const marks = textMarks(content.text, MAX_CHARACTERS);
  const { letters, capitals, exclamations, doubled, words } = marks;
  if (letters >= MIN_LETTERS) {
    if (capitals > MANY_CAPITALS * letters) {
      findings.add("TEXT_CAPITALS", `${Math.round(capitals / letters * 100)} %`);
    }
    if (doubled > 1 || (exclamations > 3 && exclamations > words / 30)) {
      findings.add("TEXT_PUNCTUATION", `${exclamations} of !`);
    }
  }
  if (marks.spacedLetters >= 8) findings.add("TEXT_SPACED_OUT");
  if (marks.mixedWords >= 2) findings.add("TEXT_MIXED_SCRIPTS", `${marks.mixedWords} words`);
  const isMessage = content.parts.some(({ mediaType }) => mediaType.startsWith("text/"));
  const isLinked = content.links.length > 0;
  if (isMessage && letters === 0 && !isLinked) findings.add("TEXT_EMPTY");
  if (words < FEW_WORDS && isLinked && !isPersonal(content.text)) {
    findings.add("TEXT_ONLY_LINK", `${words} words`);
  }
  const text = content.text.slice(0, MAX_CHARACTERS);
  const coin = COIN.exec(text);
  if (coin !== null) findings.add("TEXT_COIN_ADDRESS", coin[0]);
  const number = TOLL_FREE.exec(text);
  if (number !== null) findings.add("TEXT_TOLL_FREE_NUMBER", number[0]);
  const sum = LARGE_SUM.exec(text);
  if (sum !== null) findings.add("TEXT_LARGE_SUM", sum[0]);
}

/** Signed or quoting, as people write. */
function isPersonal(text: string): boolean {
  return text.includes("\n-- \n") || text.includes("\n> ");
}
