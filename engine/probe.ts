/**
 * Composition root of the container's health check: asks the server in this container whether its process
 * is up. Exit code 0 when it is, or when HTTP_PORT=0 leaves nobody to ask; else 1.
 */
const TIMEOUT_MS = 4_000;

async function probe(port: string): Promise<number> {
  if (port === "0") return 0;
  try {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    return response.ok ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

if (import.meta.main) Deno.exit(await probe(Deno.env.get("HTTP_PORT") || "9090"));
