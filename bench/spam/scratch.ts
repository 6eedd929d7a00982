/** Files, ports and turns the other filters need. */
import type { CorpusMessage } from "./corpus.ts";

/** Writes messages into `ham` and `spam` below a folder. @returns their paths. */
export async function writeMessages(
  folder: string,
  messages: readonly CorpusMessage[],
): Promise<readonly string[]> {
  for (const label of ["ham", "spam"]) await Deno.mkdir(`${folder}/${label}`, { recursive: true });
  const paths: string[] = [];
  for (const [number, { label, octets }] of messages.entries()) {
    const path = `${folder}/${label}/${String(number).padStart(5, "0")}`;
    await Deno.writeFile(path, octets);
    paths.push(path);
  }
  return paths;
}

/** Calls for each item, a few at a time; answers in their order. */
export async function inTurns<T, R>(
  items: readonly T[],
  options: { readonly atOnce: number; readonly call: (item: T) => Promise<R> },
): Promise<R[]> {
  const answers = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      answers[index] = await options.call(items[index]);
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, worker));
  return answers;
}

export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
