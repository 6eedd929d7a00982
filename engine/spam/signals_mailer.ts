/** Signals of the program that claims to have written the message: whether it leaves the traces that program does. */
import type { HeaderSection } from "../mail/header_section.ts";
import type { Findings } from "./findings.ts";
import type { MailView } from "./mail_view.ts";

interface MailerTrace {
  /** What the program calls itself. */
  readonly mailer: RegExp;
  /** One of these fields is in what it writes; empty when none is certain. */
  readonly fields: readonly string[];
  /** What its Message-ID looks like. */
  readonly messageId: RegExp | null;
}

const UUID = /^<[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}@/i;
const TRACES: readonly MailerTrace[] = [
  { mailer: /^Microsoft Outlook Express(?! Mac)/, fields: ["x-mimeole"], messageId: null },
  {
    mailer: /^Microsoft (?:Office )?Outlook(?! Express)/,
    fields: ["x-mimeole", "thread-index", "x-ms-has-attach", "x-ms-exchange-organization-authas"],
    messageId: null,
  },
  { mailer: /^(?:Apple|iPhone|iPad) Mail/, fields: [], messageId: UUID },
  {
    mailer: /^Mozilla (?:Thunderbird|\/5)/,
    fields: [],
    messageId: /^<(?:[0-9a-f]{8}\.[0-9a-f]{5,8}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@/i,
  },
  { mailer: /^The Bat!/, fields: [], messageId: /^<[0-9]{1,12}\.[0-9]{14}@/ },
  {
    mailer: /^QUALCOMM Windows Eudora/,
    fields: [],
    messageId: /^<(?:[0-9]{1,3}\.){4}(?:[0-9]{1,3}\.){0,2}[0-9]{14}\./,
  },
];

export function findMailer(
  { facts: { header, content }, fields }: MailView,
  findings: Findings,
): void {
  const { mailer, messageId } = fields;
  const { parts } = content;
  if (
    /^Microsoft .{0,12}Outlook/.test(mailer) && parts.length === 1 &&
    parts[0].mediaType === "text/html"
  ) {
    findings.add("MAILER_HTML_ALONE", mailer);
  }
  const trace = TRACES.find((one) => one.mailer.test(mailer));
  if (trace !== undefined && !isTrue(trace, header, messageId)) {
    findings.add("MAILER_FORGED", mailer);
  }
  // Outlook's field, in mail that has no other trace of it.
  if (
    header.has("x-msmail-priority") && !header.has("x-mimeole") && !mailer.includes("Outlook")
  ) findings.add("MAILER_MARK_ALONE", "X-MSMail-Priority");
  const priority = header.first("x-priority") ?? "";
  if (/^[12]/.test(priority) || /^high/i.test(header.first("importance") ?? "")) {
    findings.add("PRIORITY_HIGH", priority);
  }
}

function isTrue(trace: MailerTrace, header: HeaderSection, messageId: string | null): boolean {
  if (trace.fields.length > 0 && !trace.fields.some((field) => header.has(field))) return false;
  return trace.messageId === null || messageId === null || trace.messageId.test(messageId);
}
