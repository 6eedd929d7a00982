/** Makes a worker of a running server throw, the way a programming fault would: through Deno's inspector. */

interface Incoming {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId?: string; readonly workerInfo?: { readonly url: string } };
}

const DEADLINE_MS = 10_000;

/**
 * Runs `expression` in the `index`-th worker whose module is `module`; resolves once that worker took it.
 * @param url the server's inspector, by HTTP.
 */
export async function runInWorker(
  url: string,
  where: { readonly module: string; readonly index: number; readonly expression: string },
): Promise<void> {
  const targets: { webSocketDebuggerUrl: string }[] = await (await fetch(`${url}/json`)).json();
  const socket = new WebSocket(targets[0].webSocketDebuggerUrl);
  const done = Promise.withResolvers<void>();
  const timer = setTimeout(() => done.reject(new Error("no such worker")), DEADLINE_MS);
  let found = 0;
  socket.onopen = () =>
    socket.send(JSON.stringify({
      id: 1,
      method: "NodeWorker.enable",
      params: { waitForDebuggerOnStart: false },
    }));
  socket.onerror = () => done.reject(new Error("the inspector hung up"));
  socket.onmessage = ({ data }) => {
    const { id, method, params } = JSON.parse(String(data)) as Incoming;
    if (id === 2) done.resolve();
    if (method !== "NodeWorker.attachedToWorker") return;
    if (!params?.workerInfo?.url.endsWith(where.module) || found++ !== where.index) return;
    const evaluate = {
      id: 1,
      method: "Runtime.evaluate",
      params: { expression: where.expression },
    };
    socket.send(JSON.stringify({
      id: 2,
      method: "NodeWorker.sendMessageToWorker",
      params: { sessionId: params.sessionId, message: JSON.stringify(evaluate) },
    }));
  };
  try {
    await done.promise;
  } finally {
    clearTimeout(timer);
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    await closed;
  }
}
