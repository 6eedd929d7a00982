/**
 * What a status code means to the person who wrote the message: what went wrong, and what to do about
 * it (RFC 3463 §3). Decides words only; technical detail stands beside them in the report.
 */

export interface Explanation {
  /** One sentence. */
  readonly problem: string;
  /** One or two sentences. */
  readonly advice: string;
}

const ASK_ELSEWHERE = "Ask the recipient by another way, or try again later.";

const BY_SUBJECT_DETAIL: Readonly<Record<string, Explanation>> = {
  "1.1": {
    problem: "This address does not exist there.",
    advice: "Check the address for typing mistakes, or ask the recipient for the current one.",
  },
  "1.2": {
    problem: "The part of the address behind the @ does not exist, or takes no mail.",
    advice: "Check that part of the address for typing mistakes.",
  },
  "1.3": {
    problem: "The recipient's server does not understand this address.",
    advice: "Check the address for typing mistakes.",
  },
  "1.6": {
    problem: "The recipient has moved and left no new address.",
    advice: "Ask the recipient for the current address.",
  },
  "1.8": {
    problem: "The recipient's server does not accept your own address as a sender.",
    advice: "Show this report to whoever runs your mail.",
  },
  "1.10": {
    problem: "The domain of this address takes no mail at all.",
    advice: "Check the part behind the @ for typing mistakes.",
  },
  "2.1": {
    problem: "This mailbox is switched off.",
    advice: "Ask the recipient for another address.",
  },
  "2.2": {
    problem: "The recipient's mailbox is full.",
    advice: "Send the message again once the recipient has made room.",
  },
  "2.3": {
    problem: "The message is larger than this recipient may receive.",
    advice: "Send it without its attachments, or share them by a link.",
  },
  "3.4": {
    problem: "The message is larger than the recipient's server accepts.",
    advice: "Send it without its attachments, or share them by a link.",
  },
  "4.1": {
    problem: "The recipient's server could not be reached.",
    advice: ASK_ELSEWHERE,
  },
  "4.4": {
    problem: "No server was found that takes mail for this address.",
    advice: "Check the part of the address behind the @ for typing mistakes.",
  },
  "4.6": {
    problem: "The message went round in circles between servers.",
    advice: "Show this report to whoever runs the recipient's mail.",
  },
  "4.7": {
    problem: "The recipient's server could not take the message in all the time we tried.",
    advice: ASK_ELSEWHERE,
  },
  "6.7": {
    problem:
      "The recipient's server cannot handle addresses with letters beyond plain English ones.",
    advice: "Send the message from, or to, an address in plain English letters.",
  },
};

/** By the first digit behind the class, where the detail is unknown. */
const BY_SUBJECT: Readonly<Record<string, Explanation>> = {
  "1": BY_SUBJECT_DETAIL["1.3"],
  "2": {
    problem: "The recipient's mailbox did not accept the message.",
    advice: ASK_ELSEWHERE,
  },
  "3": {
    problem: "The recipient's mail system could not process the message.",
    advice: ASK_ELSEWHERE,
  },
  "4": BY_SUBJECT_DETAIL["4.1"],
  "5": {
    problem: "Our server and the recipient's server did not understand each other.",
    advice: "Show this report to whoever runs your mail.",
  },
  "6": {
    problem: "The recipient's server cannot handle the form of this message.",
    advice: "Send it as plain text, or without its attachments.",
  },
  "7": {
    problem: "The recipient's server refused the message by its rules.",
    advice: "Its answer may say why. If you believe it is mistaken, " +
      "ask the recipient by another way, or show this report to whoever runs your mail.",
  },
};

const UNKNOWN: Explanation = {
  problem: "The recipient's server did not accept the message.",
  advice: "Its answer may say why. Otherwise ask the recipient by another way.",
};

/** Explains an enhanced status, e.g. `5.1.1`; any text gets an answer. */
export function explain(enhancedStatus: string): Explanation {
  const [, subject = "", detail = ""] = enhancedStatus.split(".", 3);
  const exact = `${subject}.${detail}`;
  if (Object.hasOwn(BY_SUBJECT_DETAIL, exact)) return BY_SUBJECT_DETAIL[exact];
  return Object.hasOwn(BY_SUBJECT, subject) ? BY_SUBJECT[subject] : UNKNOWN;
}
