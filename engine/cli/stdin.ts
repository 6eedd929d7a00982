/** What is typed or piped into a command. */
import { UsageError } from "./command.ts";

const MAX_LINE_OCTETS = 4096;

/** The first line of a stream, without its end; empty where there is none. @throws {UsageError} */
export async function readLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for await (const chunk of stream) {
    try {
      text += decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw new UsageError("standard input is not UTF-8", { cause });
    }
    if (text.includes("\n")) break;
    if (text.length > MAX_LINE_OCTETS) {
      throw new UsageError("the line on standard input is too long");
    }
  }
  return text.split(/\r?\n/, 1)[0];
}
