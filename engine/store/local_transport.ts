/** How a domain's mailboxes are filled, as text: `maildir`, `lmtp:<address>` or `webhook:<url>`. */
import type { LocalTransport } from "./directory.ts";

const MAX_TEXT_LENGTH = 2048;
const HOST_AND_PORT = /^(?:[^\s:[\]/]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/;

export function formatLocalTransport(transport: LocalTransport): string {
  switch (transport.kind) {
    case "maildir":
      return "maildir";
    case "lmtp":
      return `lmtp:${transport.address}`;
    case "webhook":
      return `webhook:${transport.url}`;
  }
}

/** `null` for what is none: a socket has an absolute path, a webhook a URL of http or https. */
export function parseLocalTransport(text: string): LocalTransport | null {
  if (text === "maildir") return { kind: "maildir" };
  // Control characters garble logs, and no path of ours needs them.
  if (text.length > MAX_TEXT_LENGTH || /\p{Cc}/u.test(text)) return null;
  const at = text.indexOf(":");
  const [kind, rest] = [text.slice(0, at), text.slice(at + 1)];
  if (kind === "lmtp") return isLmtpAddress(rest) ? { kind, address: rest } : null;
  if (kind === "webhook") return isWebhookUrl(rest) ? { kind, url: rest } : null;
  return null;
}

function isLmtpAddress(text: string): boolean {
  if (text.startsWith("/")) return text.length > 1;
  const port = Number(HOST_AND_PORT.exec(text)?.[1] ?? 0);
  return port >= 1 && port <= 65535;
}

function isWebhookUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === "https:" || url.protocol === "http:");
}
