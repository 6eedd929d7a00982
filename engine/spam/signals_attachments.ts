/** Signals of what is attached: programs, and names or types that hide what a file is. */
import type { Findings } from "./findings.ts";
import type { MailView } from "./mail_view.ts";
import type { MessagePart } from "./message_content.ts";

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));
const PROGRAMS = words(
  "exe com scr pif bat cmd cpl dll msi msp msix appx jar js jse vbs vbe wsf wsh hta lnk ps1 psm1 reg chm inf sct " +
    "application gadget xll ade iqy slk settingcontent-ms library-ms apk app command desktop ace",
);
const IMAGES = words("iso img vhd vhdx udf dmg wim");
const PAGES = words("htm html shtml xhtml xht mht mhtml svg svgz");
const MACROS = words("docm dotm xlsm xltm xlam pptm potm ppsm ppam xlsb");
const ARCHIVES = words("zip rar 7z gz bz2 xz tar tgz cab arj lzh z ace uue");
const DOCUMENTS = words(
  "pdf doc docx xls xlsx ppt pptx jpg jpeg png gif txt rtf csv mp3 mp4 wav htm html zip",
);

export function findAttachments({ facts: { content } }: MailView, findings: Findings): void {
  for (const part of content.parts) {
    if (part.fileName !== null) findNamed(part, part.fileName, findings);
    const isProgram = startsWith(part.head, "MZ") || startsWith(part.head, "\x7fELF");
    const isBinary = !part.mediaType.startsWith("text/");
    if (isProgram && isBinary) findings.add("ATTACHMENT_PROGRAM", part.fileName ?? part.mediaType);
    findArchive(part, findings);
  }
}

function findNamed(part: MessagePart, fileName: string, findings: Findings): void {
  const name = fileName.toLowerCase();
  const extensions = name.split(".").slice(1).map((extension) => extension.trim());
  const last = extensions.at(-1) ?? "";
  if (PROGRAMS.has(last)) {
    findings.add("ATTACHMENT_PROGRAM", fileName);
    if (DOCUMENTS.has(extensions.at(-2) ?? "")) findings.add("ATTACHMENT_TWO_EXTENSIONS", fileName);
  }
  if (IMAGES.has(last)) findings.add("ATTACHMENT_DISK_IMAGE", fileName);
  if (MACROS.has(last)) findings.add("ATTACHMENT_MACROS", fileName);
  if (PAGES.has(last) && part.disposition === "attachment") {
    findings.add("ATTACHMENT_PAGE", fileName);
  }
  // Reversed writing and long gaps put the true extension out of sight.
  if (/[\u202a-\u202e\u2066-\u2069]| {8}/.test(fileName)) {
    findings.add("ATTACHMENT_DISGUISED_NAME", fileName);
  }
  if (isOfOtherType(part, last)) {
    findings.add("ATTACHMENT_OTHER_TYPE", `${part.mediaType} ${fileName}`);
  }
}

/** Whether the first octets are of another sort of file than name and type say. */
function isOfOtherType({ mediaType, head }: MessagePart, extension: string): boolean {
  if (head.length < 8) return false;
  const claims = (type: string, ...extensions: string[]) =>
    mediaType === type || extensions.includes(extension);
  if (claims("application/pdf", "pdf")) return !includes(head, "%PDF");
  if (claims("image/png", "png")) return !isPicture(head);
  if (claims("image/jpeg", "jpg", "jpeg")) return !isPicture(head);
  if (claims("image/gif", "gif")) return !isPicture(head);
  if (claims("application/zip", "docx", "xlsx", "pptx")) {
    // Encrypted office files are OLE containers.
    return !startsWith(head, "PK") && !startsWith(head, "\xd0\xcf\x11\xe0");
  }
  return false;
}

/** Programs write one sort of picture under the name of another all the time. */
function isPicture(head: Uint8Array): boolean {
  return ["\x89PNG", "\xff\xd8", "GIF8", "RIFF", "BM", "II", "MM"].some((magic) =>
    startsWith(head, magic)
  ) ||
    includes(head, "ftyp");
}

/** The first file of an archive, as far as the first octets tell (APPNOTE.TXT §4.3.7). */
function findArchive({ head, fileName }: MessagePart, findings: Findings): void {
  if (startsWith(head, "Rar!") && ARCHIVES.has(extensionOf(fileName ?? ""))) return;
  if (!startsWith(head, "PK\x03\x04") || head.length < 30) return;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if ((view.getUint16(6, true) & 1) === 1) {
    findings.add("ATTACHMENT_ENCRYPTED_ARCHIVE", fileName ?? "");
  }
  const length = Math.min(view.getUint16(26, true), head.length - 30);
  const inner = String.fromCharCode(...head.subarray(30, 30 + length));
  const extension = extensionOf(inner);
  if (PROGRAMS.has(extension) || IMAGES.has(extension)) {
    findings.add("ATTACHMENT_ARCHIVED_PROGRAM", inner);
  }
}

function extensionOf(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1).toLowerCase();
}

function startsWith(head: Uint8Array, magic: string): boolean {
  for (let at = 0; at < magic.length; at++) {
    if (head[at] !== magic.charCodeAt(at)) return false;
  }
  return true;
}

function includes(head: Uint8Array, magic: string): boolean {
  for (let at = 0; at + magic.length <= head.length; at++) {
    if (startsWith(head.subarray(at), magic)) return true;
  }
  return false;
}
