/** Asks rspamd about a message over HTTP: the octets as they came, and in fields what the session knows. */
import { Buffer } from "node:buffer";
import {
  filterFailure,
  type FilterInput,
  type FilterOpinion,
  type OutsideFilter,
} from "./filter.ts";
import { readRspamdAnswer } from "./rspamd_answer.ts";

export interface NodeRspamdOptions {
  /** Without a path of its own: `http://127.0.0.1:11333`. */
  readonly url: string;
  /** What one point of its score is worth here. */
  readonly weight: number;
  /** What we call ourselves. */
  readonly hostname: string;
}

const MAX_ANSWER_OCTETS = 1024 * 1024;
/** HTTP servers bound a request's fields; its rules need no more of them. */
const MAX_RECIPIENTS = 50;

export class NodeRspamd implements OutsideFilter {
  readonly name = "rspamd";
  readonly #options: NodeRspamdOptions;

  constructor(options: NodeRspamdOptions) {
    this.#options = options;
  }

  async check(message: FilterInput, signal: AbortSignal): Promise<FilterOpinion> {
    const { url, hostname, weight } = this.#options;
    let response: Response | null = null;
    try {
      response = await fetch(`${url}/checkv2`, {
        method: "POST",
        headers: headersOf(message, hostname),
        body: message.octets as Uint8Array<ArrayBuffer>,
        // The message goes to whom the operator named, and to nobody he is sent on to.
        redirect: "manual",
        signal,
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        return filterFailure("nonsense", `rspamd answers ${response.status}`);
      }
      const text = await readAnswer(response);
      return text === null
        ? filterFailure("nonsense", "rspamd's answer is too long")
        : readRspamdAnswer(text, { weight });
    } catch {
      if (signal.aborted) return filterFailure("late", "rspamd took too long");
      return response === null
        ? filterFailure("unreachable", "rspamd is not reached")
        : filterFailure("nonsense", "rspamd broke off");
    }
  }
}

function headersOf(message: FilterInput, hostname: string): Headers {
  const headers = new Headers({
    "Content-Type": "message/rfc822",
    "User-Agent": "Sluice",
    "IP": message.client.address,
    "Helo": fieldText(message.heloName),
    "From": fieldText(`<${message.reversePath}>`),
    "Queue-Id": fieldText(message.id),
    "MTA-Name": fieldText(hostname),
  });
  for (const recipient of message.recipients.slice(0, MAX_RECIPIENTS)) {
    headers.append("Rcpt", fieldText(`<${recipient}>`));
  }
  if (message.client.reverseName !== null) {
    headers.set("Hostname", fieldText(message.client.reverseName));
  }
  if (message.user !== null) headers.set("User", fieldText(message.user));
  return headers;
}

/** As octets of UTF-8, one character each, which is what `fetch` takes; without control characters. */
function fieldText(text: string): string {
  // deno-lint-ignore no-control-regex
  return Buffer.from(text, "utf8").toString("latin1").replace(/[\x00-\x1f\x7f]/g, "?");
}

/** `null` when there is more of it than any honest answer has. */
async function readAnswer(response: Response): Promise<string | null> {
  if (response.body === null) return "";
  const chunks: Uint8Array[] = [];
  let octets = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk);
    octets += chunk.length;
    // Leaving the loop cancels the rest.
    if (octets > MAX_ANSWER_OCTETS) return null;
  }
  return Buffer.concat(chunks).toString("utf8");
}
