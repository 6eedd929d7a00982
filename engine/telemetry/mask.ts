/** Hides passwords in addresses and names, wherever those are shown to people. */
import { createHmac } from "node:crypto";

const SECRET_NAME = /password|secret|token/i;

/** Whether what bears this name is for nobody's eyes. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** Hides the password of a URL, both before the host and among its parameters. */
export function maskUrl(url: string): string {
  return url
    .replace(/^([a-z]+:\/\/[^:@/?]*):.*@/, "$1:***@")
    .replace(
      /([?&]([a-z_]*)=)[^&#]*/gi,
      (whole, begin, name) => isSecretName(name) ? `${begin}***` : whole,
    );
}

/** Hides the passwords of URLs within a text, as errors of clients quote them. */
export function maskUrlsIn(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(/([a-z]+:\/\/[^\s:@/]*):[^\s@]*@/gi, "$1:***@");
}

/** Stands for a name that may be a password: the same for the same one, telling nothing without the key. */
export function nameTag(name: string, key: Uint8Array): string {
  return `unknown#${createHmac("sha256", key).update(name).digest("hex").slice(0, 8)}`;
}
