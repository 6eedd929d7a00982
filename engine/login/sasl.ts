/**
 * What a client says to log in: the exchanges PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login) and
 * CRAM-MD5 (RFC 2195) in the frame SMTP gives them (RFC 4954 §4). Decides whether the exchange goes on,
 * is over, or cannot be read. Does not know whether anybody of that name exists.
 */
import { Buffer } from "node:buffer";

export type SaslMethod = "PLAIN" | "LOGIN" | "CRAM-MD5";

/** What was said, not yet judged: neither name nor password is empty. */
export type Credentials =
  | {
    readonly kind: "password";
    readonly method: "PLAIN" | "LOGIN";
    readonly name: string;
    readonly password: string;
    /** Whom the client wants to act as; left out when it did not say. */
    readonly authorizationId?: string;
  }
  | {
    readonly kind: "cram-md5";
    readonly method: "CRAM-MD5";
    readonly name: string;
    readonly challenge: string;
    /** 32 digits, lower case. */
    readonly digestHex: string;
  };

/** Between two lines of an exchange. */
export type SaslState =
  | { readonly waitsFor: "plain" }
  | { readonly waitsFor: "login_name" }
  | { readonly waitsFor: "login_password"; readonly name: string }
  | { readonly waitsFor: "cram"; readonly challenge: string };

export type SaslStep =
  /** `text` goes behind `334 `; the next line of the client continues `state`. */
  | { readonly kind: "prompt"; readonly state: SaslState; readonly text: string }
  | { readonly kind: "credentials"; readonly credentials: Credentials }
  | { readonly kind: "cancelled" }
  /** Not base 64 or UTF-8, a part missing, empty or too long. */
  | { readonly kind: "malformed" };

/** RFC 4954 §4 */
const MAX_LINE_OCTETS = 12_288;
/** RFC 4616 §2 */
const MAX_NAME_OCTETS = 255;
/** Longer passwords cannot be set. */
const MAX_PASSWORD_OCTETS = 1_024;

const MALFORMED: SaslStep = { kind: "malformed" };

/**
 * Begins an exchange.
 *
 * @param initialResponse as it stands behind `AUTH method`, or `null`.
 * @param options `challenge`, for CRAM-MD5: `<random.time@hostname>` in ASCII, never the same twice.
 */
export function startSasl(
  method: SaslMethod,
  initialResponse: string | null,
  options: { readonly challenge: string },
): SaslStep {
  const first = firstPrompt(method, options.challenge);
  if (initialResponse === null) return first;
  // RFC 4954 §4: no initial response where the server speaks first, as it does in CRAM-MD5.
  if (first.state.waitsFor === "cram") return MALFORMED;
  // RFC 4954 §4: a response of zero octets is sent as a single `=`.
  return respond(first.state, initialResponse === "=" ? "" : initialResponse);
}

/** Goes on with a line of the client, without its end. */
export function continueSasl(state: SaslState, line: string): SaslStep {
  // RFC 4954 §4: the client cancels with a single `*`.
  return line === "*" ? { kind: "cancelled" } : respond(state, line);
}

function firstPrompt(method: SaslMethod, challenge: string): SaslStep & { kind: "prompt" } {
  switch (method) {
    case "PLAIN":
      return { kind: "prompt", state: { waitsFor: "plain" }, text: "" };
    case "LOGIN":
      return prompt({ waitsFor: "login_name" }, "Username:");
    case "CRAM-MD5":
      return prompt({ waitsFor: "cram", challenge }, challenge);
  }
}

function prompt(state: SaslState, text: string): SaslStep & { kind: "prompt" } {
  return { kind: "prompt", state, text: Buffer.from(text).toString("base64") };
}

function respond(state: SaslState, encoded: string): SaslStep {
  const response = decode(encoded);
  if (response === null) return MALFORMED;
  switch (state.waitsFor) {
    case "plain":
      return readPlain(response);
    case "login_name":
      if (!isName(response)) return MALFORMED;
      return prompt({ waitsFor: "login_password", name: response }, "Password:");
    case "login_password":
      return byPassword({ method: "LOGIN", name: state.name, password: response });
    case "cram":
      return readCram(response, state.challenge);
  }
}

/** RFC 4616 §2: `[authzid] NUL authcid NUL passwd` */
function readPlain(response: string): SaslStep {
  const parts = response.split("\0");
  if (parts.length !== 3) return MALFORMED;
  const [authorizationId, name, password] = parts;
  if (authorizationId === "") return byPassword({ method: "PLAIN", name, password });
  if (!isName(authorizationId)) return MALFORMED;
  return byPassword({ method: "PLAIN", name, password, authorizationId });
}

function byPassword(
  said: Omit<Extract<Credentials, { kind: "password" }>, "kind">,
): SaslStep {
  const isRead = isName(said.name) && isText(said.password, MAX_PASSWORD_OCTETS);
  return isRead ? { kind: "credentials", credentials: { kind: "password", ...said } } : MALFORMED;
}

/** RFC 2195 §2: the name, a space, the digest; the name may hold spaces itself. */
function readCram(response: string, challenge: string): SaslStep {
  const match = /^(.+) ([0-9a-f]{32})$/is.exec(response);
  if (match === null || !isName(match[1])) return MALFORMED;
  const digestHex = match[2].toLowerCase();
  const credentials = { kind: "cram-md5", method: "CRAM-MD5", challenge, digestHex } as const;
  return { kind: "credentials", credentials: { ...credentials, name: match[1] } };
}

function isName(text: string): boolean {
  return isText(text, MAX_NAME_OCTETS);
}

function isText(text: string, maxOctets: number): boolean {
  return text !== "" && !text.includes("\0") && Buffer.byteLength(text) <= maxOctets;
}

/** The text of a line in base 64 (RFC 4648 §4); `null` unless it is the one encoding of valid UTF-8. */
function decode(encoded: string): string | null {
  if (encoded.length > MAX_LINE_OCTETS) return null;
  const octets = Buffer.from(encoded, "base64");
  // RFC 4648 §3.3, §3.5: no foreign characters, no padding left out, no bits behind the end.
  if (octets.toString("base64") !== encoded) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    return null;
  }
}
