/**
 * Serving HTTP: the administrative server with health, readiness and metrics, and others by their routes
 * alone. Each answer has a time limit and the number of requests at once is bounded; requests are not
 * logged, for probes come every few seconds.
 */
import { type Route, router } from "./routes.ts";

const HANDLING_TIMEOUT_MS = 10_000;
const SHUTDOWN_GRACE_MS = 2000;
const MAX_REQUESTS = 64;

/** Nothing here is to be framed, cached, sniffed or run, unless a route says otherwise. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export interface Readiness {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly detail?: string }>>;
}

export interface HttpOptions {
  readonly address: string;
  readonly port: number;
  readonly routes: readonly Route[];
  /** Told of what a handler threw; the client learns only that it did. */
  readonly onError: (error: unknown, path: string) => void;
  /** Shuts the server down. */
  readonly signal?: AbortSignal;
  readonly handlingTimeoutMs?: number;
}

export interface AdminHttpOptions extends Omit<HttpOptions, "routes"> {
  readonly readiness: () => Promise<Readiness>;
  /** Prometheus text. */
  readonly metrics: () => Promise<string>;
  /** Looked at before the server's own. */
  readonly routes?: readonly Route[];
}

/** A listening server; disposing of it lets requests under way finish for a short while. */
export interface HttpServer extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
}

/** Listens, or answers `null` when turned off. @throws when the address is taken or not ours. */
export function serveAdminHttp(options: AdminHttpOptions): HttpServer | null {
  return serveHttp({ ...options, routes: [...options.routes ?? [], ...ownRoutes(options)] });
}

/**
 * Listens, or answers `null` when turned off by port 0.
 *
 * @throws when the address is taken or not ours.
 */
export function serveHttp(options: HttpOptions): HttpServer | null {
  if (options.port === 0) return null;
  const closing = new AbortController();
  const handle = requestHandler(options, closing.signal);
  const server = Deno.serve({
    hostname: options.address,
    port: options.port,
    onListen: () => {},
    onError: (error) => {
      options.onError(error, "");
      return answer(500, { error: "internal error" });
    },
    signal: closing.signal,
  }, handle);

  let closed: Promise<void> | null = null;
  const close = () => closed ??= shutDown(server, closing);
  if (options.signal?.aborted) close();
  options.signal?.addEventListener("abort", close, { once: true });
  return {
    address: server.addr.hostname,
    port: server.addr.port,
    [Symbol.asyncDispose]() {
      options.signal?.removeEventListener("abort", close);
      return close();
    },
  };
}

async function shutDown(server: Deno.HttpServer, closing: AbortController): Promise<void> {
  const timer = setTimeout(() => closing.abort(), SHUTDOWN_GRACE_MS);
  await server.shutdown();
  clearTimeout(timer);
  await server.finished;
}

function requestHandler(options: HttpOptions, closing: AbortSignal) {
  const match = router(options.routes);
  const timeoutMs = options.handlingTimeoutMs ?? HANDLING_TIMEOUT_MS;
  let underWay = 0;

  async function respond(request: Request, path: string): Promise<Response> {
    const found = match(request.method, path);
    switch (found.kind) {
      case "no_route":
        return answer(404, { error: "not found" });
      case "wrong_method":
        return answer(405, { error: "method not allowed" }, { allow: found.allow });
      case "found": {
        const timeUp = new AbortController();
        const timer = setTimeout(() => timeUp.abort(), timeoutMs);
        const signal = AbortSignal.any([timeUp.signal, closing]);
        try {
          const handling = Promise.resolve(
            found.handler(request, { params: found.params, signal }),
          );
          return await Promise.race([handling, answerOnAbort(signal)]);
        } finally {
          clearTimeout(timer);
        }
      }
    }
  }

  return async (request: Request): Promise<Response> => {
    const path = new URL(request.url).pathname;
    if (underWay >= MAX_REQUESTS) return answer(503, { error: "too many requests at once" });
    underWay++;
    let response: Response;
    try {
      response = await respond(request, path);
    } catch (error) {
      options.onError(error, path);
      response = answer(500, { error: "internal error" });
    } finally {
      underWay--;
    }
    return secured(response, request.method === "HEAD");
  };
}

function answerOnAbort(signal: AbortSignal): Promise<Response> {
  return new Promise((resolve) => {
    const onAbort = () => resolve(answer(503, { error: "no answer in time" }));
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function ownRoutes({ readiness, metrics }: AdminHttpOptions): readonly Route[] {
  return [
    { path: "/healthz", methods: { GET: () => answer(200, { status: "ok" }) } },
    {
      path: "/readyz",
      methods: {
        GET: async () => {
          const state = await readiness();
          return answer(state.ready ? 200 : 503, state);
        },
      },
    },
    {
      path: "/metrics",
      methods: {
        GET: async () => {
          return new Response(await metrics(), { headers: { "content-type": METRICS_TYPE } });
        },
      },
    },
  ];
}

/** An answer in JSON. */
export function answer(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(body) + "\n", {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
  });
}

/** RFC 9110 §9.3.2: HEAD has the headers of GET and no content. */
function secured(response: Response, headOnly: boolean): Response {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
    if (!headers.has(name)) headers.set(name, value);
  }
  if (headOnly) response.body?.cancel();
  return new Response(headOnly ? null : response.body, { status: response.status, headers });
}
