/** Hides passwords in addresses, wherever those are shown to people. */

/** Hides the password of a URL, both before the host and among its parameters. */
export function maskUrl(url: string): string {
  return url
    .replace(/^([a-z]+:\/\/[^:@/?]*):.*@/, "$1:***@")
    .replace(/([?&][a-z_]*(?:password|secret|token)[a-z_]*=)[^&#]*/gi, "$1***");
}

/** Hides the passwords of URLs within a text, as errors of clients quote them. */
export function maskUrlsIn(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(/([a-z]+:\/\/[^\s:@/]*):[^\s@]*@/gi, "$1:***@");
}
