/** Signals of the subject line. */
import type { Findings } from "./findings.ts";
import type { MailView } from "./mail_view.ts";

const MIN_CAPITALS = 8;
// deno-lint-ignore no-control-regex
const NOT_ASCII = /[^\x00-\x7f]/;

export function findSubject({ facts: { header }, fields }: MailView, findings: Findings): void {
  const { subject, rawSubject } = fields;
  if (subject === null || subject.trim() === "") return findings.add("SUBJECT_MISSING");
  if (isLoud(subject)) findings.add("SUBJECT_CAPITALS", subject);
  if (/!!|\$\$|[!?]{3}|!.{0,80}!.{0,80}!/.test(subject)) {
    findings.add("SUBJECT_PUNCTUATION", subject);
  }
  if (/ {5}\S{1,24}$/.test(subject)) findings.add("SUBJECT_CODE_BEHIND_SPACES", subject);
  const name = localPartOf(fields.recipients);
  // Lists put their own name in brackets.
  const said = subject.slice(subject.indexOf("]") + 1).toLowerCase();
  if (name.length >= 4 && hasWord(said, name)) {
    findings.add("SUBJECT_NAMES_RECIPIENT", name);
  }
  const isReply = /^(?:re|aw|sv) ?: /i.test(subject);
  const isAnswer = header.has("in-reply-to") || header.has("references");
  if (isReply && !isAnswer) findings.add("SUBJECT_FAKE_REPLY", subject);
  // Mail programs begin answers so; a bare field is cheap to forge, hence a small word for it.
  if (isReply && isAnswer) findings.add("CONVERSATION");
  if (rawSubject.includes("=?") && rawSubject !== subject && !NOT_ASCII.test(subject)) {
    findings.add("SUBJECT_NEEDLESSLY_ENCODED", subject);
  }
  if (NOT_ASCII.test(rawSubject)) findings.add("SUBJECT_RAW_OCTETS");
}

/** Capitals throughout, in scripts that have them. */
function isLoud(subject: string): boolean {
  const letters = subject.replace(/[^\p{Lu}\p{Ll}]/gu, "");
  return letters.length >= MIN_CAPITALS && letters === letters.toUpperCase() &&
    subject.includes(" ");
}

function localPartOf(recipients: string): string {
  const at = recipients.indexOf("@");
  const before = recipients.slice(Math.max(0, at - 64), Math.max(0, at));
  return (/[A-Za-z0-9._+-]{1,64}$/.exec(before)?.[0] ?? "").toLowerCase();
}

function hasWord(text: string, word: string): boolean {
  const at = text.indexOf(word);
  if (at < 0) return false;
  const isLetter = (character: string | undefined) => /[a-z0-9]/.test(character ?? "");
  return !isLetter(text[at - 1]) && !isLetter(text[at + word.length]);
}
