/**
 * Finds the handler of a request: paths are patterns (`/api/v1/queue/:id`), the first that fits
 * counts, and each states which methods it takes. HEAD is answered wherever GET is.
 */

export interface RequestContext {
  /** The pattern's groups. */
  readonly params: Readonly<Record<string, string>>;
  /** Aborted when the time for the answer is over or the server shuts down. */
  readonly signal: AbortSignal;
}

export type Handler = (request: Request, context: RequestContext) => Promise<Response> | Response;
export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface Route {
  /** A `URLPattern` path. */
  readonly path: string;
  readonly methods: Readonly<Partial<Record<Method, Handler>>>;
}

/** What a request meets; `allow` is for the header of that name (RFC 9110 §10.2.1). */
export type Match =
  | {
    readonly kind: "found";
    readonly handler: Handler;
    readonly params: Readonly<Record<string, string>>;
  }
  | { readonly kind: "wrong_method"; readonly allow: string }
  | { readonly kind: "no_route" };

/** Compiles routes once; the result answers for a method and a path. */
export function router(routes: readonly Route[]): (method: string, path: string) => Match {
  const compiled = routes.map(({ path, methods }) => ({
    pattern: new URLPattern({ pathname: path }),
    methods: new Map<string, Handler>(Object.entries(methods)),
  }));
  return (method, path) => {
    for (const { pattern, methods } of compiled) {
      const groups = pattern.exec({ pathname: path })?.pathname.groups;
      if (groups === undefined) continue;
      const handler = methods.get(method === "HEAD" ? "GET" : method);
      if (handler === undefined) return { kind: "wrong_method", allow: allowed(methods) };
      return { kind: "found", handler, params: groups as Record<string, string> };
    }
    return { kind: "no_route" };
  };
}

function allowed(methods: ReadonlyMap<string, Handler>): string {
  return [...methods.keys()].flatMap((name) => name === "GET" ? ["GET", "HEAD"] : [name])
    .join(", ");
}
