/**
 * Final delivery by HTTP: posts the message to the URL its domain names. The receiver learns the envelope
 * from fields, can tell a repeated delivery by its id, and can check by a signature that it comes from here.
 *
 * `X-Sluice-Signature: v1=<hexadecimal>` is HMAC-SHA256 under the domain's secret over the values of
 * `X-Sluice-Timestamp`, `-Delivery-Id`, `-Reverse-Path`, `-Forward-Path` and `-Mailbox`, as they stand in
 * their fields and each with LF behind it, and then the body. A receiver does well to refuse what is
 * minutes old.
 */
import { createHmac } from "node:crypto";
import { Buffer } from "node:buffer";
import type { LocalDelivery, LocalOutcome, LocalRequest } from "./local_delivery.ts";

export interface NodeWebhookOptions {
  /** The octets sealed for a context; `null` when they do not open. */
  readonly openSecret: (sealed: Uint8Array, context: string) => Uint8Array | null;
  readonly timeoutMs: number;
  /** Unix ms. */
  readonly now: () => number;
}

/**
 * Answers that speak of this message or mailbox (RFC 9110 §15.5). The others, as 401 and 404, come of a
 * receiver that is being set up or changed just as well, and are no reason to return mail.
 */
const FINAL = new Set([410, 413, 415, 422]);
const MAX_ANSWER_OCTETS = 4_096;
const MAX_REASON_CHARACTERS = 300;

export class NodeWebhook implements LocalDelivery {
  readonly #options: NodeWebhookOptions;

  constructor(options: NodeWebhookOptions) {
    this.#options = options;
  }

  async deliver(request: LocalRequest): Promise<LocalOutcome> {
    const { transport, sealedWebhookSecret } = request.settings;
    if (transport.kind !== "webhook") return deferred("3.5", "the domain has no webhook any more");
    const secret = sealedWebhookSecret === null
      ? null
      : this.#options.openSecret(sealedWebhookSecret, `webhook ${request.domain}`);
    // Unsigned would be refused at best, and believed at worst.
    if (sealedWebhookSecret !== null && secret === null) {
      return deferred("3.5", "the webhook's secret does not open");
    }
    try {
      const response = await fetch(transport.url, {
        method: "POST",
        headers: headersOf(request, { secret, nowMs: this.#options.now() }),
        body: request.octets as Uint8Array<ArrayBuffer>,
        // Whoever the operator named gets the mail, and nobody he is sent on to.
        redirect: "manual",
        signal: AbortSignal.timeout(this.#options.timeoutMs),
      });
      return await outcomeOf(response);
    } catch (error) {
      const isLate = error instanceof DOMException && error.name === "TimeoutError";
      return deferred("4.1", isLate ? "the webhook does not answer" : "the webhook is not reached");
    }
  }
}

function headersOf(
  request: LocalRequest,
  { secret, nowMs }: { readonly secret: Uint8Array | null; readonly nowMs: number },
): Headers {
  const signed = {
    "X-Sluice-Timestamp": String(Math.floor(nowMs / 1000)),
    "X-Sluice-Delivery-Id": request.id,
    "X-Sluice-Reverse-Path": fieldText(request.reversePath),
    "X-Sluice-Forward-Path": fieldText(request.forwardPath),
    "X-Sluice-Mailbox": fieldText(`${request.user}@${request.domain}`),
  };
  const headers = new Headers({
    ...signed,
    "Content-Type": "message/rfc822",
    "User-Agent": "Sluice",
    "Idempotency-Key": request.id,
  });
  if (secret !== null) {
    const mac = createHmac("sha256", secret);
    for (const value of Object.values(signed)) mac.update(`${value}\n`);
    headers.set("X-Sluice-Signature", `v1=${mac.update(request.octets).digest("hex")}`);
  }
  return headers;
}

/** All but printable ASCII, and `%` itself, as `%XX` of UTF-8: a sender chose this text. */
function fieldText(text: string): string {
  return [...Buffer.from(text, "utf8")].map((octet) =>
    octet > 32 && octet < 127 && octet !== 37
      ? String.fromCharCode(octet)
      : `%${octet.toString(16).toUpperCase().padStart(2, "0")}`
  ).join("");
}

async function outcomeOf(response: Response): Promise<LocalOutcome> {
  const { ok, status, body } = response;
  if (ok) {
    // It has the message, whatever becomes of the rest of its answer.
    await body?.cancel().catch(() => {});
    return { kind: "delivered", repeated: false };
  }
  const said = await readSome(response);
  const reason = `the webhook answers ${status}${said === "" ? "" : `: ${said}`}`;
  if (!FINAL.has(status)) return deferred("2.0", reason);
  return { kind: "failed", enhancedStatus: status === 413 ? "5.3.4" : "5.2.0", reason };
}

function deferred(subjectDetail: string, reason: string): LocalOutcome {
  return { kind: "deferred", enhancedStatus: `4.${subjectDetail}`, reason };
}

/** The beginning of the answer, as far as it comes, on one line; the rest is not read. */
async function readSome(response: Response): Promise<string> {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let octets = 0;
  try {
    while (octets < MAX_ANSWER_OCTETS) {
      const { value, done } = await reader.read();
      if (done) break;
      chunks.push(value);
      octets += value.length;
    }
  } catch {
    // The status has said what matters.
  } finally {
    await reader.cancel().catch(() => {});
  }
  const text = Buffer.concat(chunks).subarray(0, MAX_ANSWER_OCTETS).toString("utf8");
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x20\x7f-\x9f]+/g, " ").trim().slice(0, MAX_REASON_CHARACTERS)
    .toWellFormed();
}
