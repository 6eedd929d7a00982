/** What a message teaches, read as it is when mail is judged. */
import { readHeaderSection } from "../mail/header_section.ts";
import { messageFingerprint } from "./message_fingerprint.ts";
import { readContent } from "./read_content.ts";
import { tokensOf } from "./tokens.ts";

export interface LessonText {
  readonly fingerprint: string;
  readonly tokens: Float64Array;
}

/** The beginning of a message is enough to learn from: so many octets need to be read of a file. */
export const LESSON_OCTETS = 524_288;

export function lessonOf(octets: Uint8Array): LessonText {
  const header = readHeaderSection(octets);
  return {
    fingerprint: messageFingerprint(octets, header),
    tokens: tokensOf({ header, content: readContent(octets, header) }),
  };
}
