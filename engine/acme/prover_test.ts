import assert from "node:assert/strict";
import { freePort } from "../../tests/fixtures/ports.ts";
import { serveHttp } from "../admin/http.ts";
import { challengeRoute, prover } from "./prover.ts";
import { nodeDnsHook } from "./node_dns_hook.ts";

const TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";

function memoryChallenges() {
  const answers = new Map<string, string>();
  return {
    putChallenge: (token: string, answer: string) =>
      Promise.resolve(void answers.set(token, answer)),
    challenge: (token: string) => Promise.resolve(answers.get(token) ?? null),
    removeChallenge: (token: string) => Promise.resolve(void answers.delete(token)),
  };
}

Deno.test("challengeRoute: answers with the key authorization while it is asked for (RFC 8555 §8.3)", async () => {
  const challenges = memoryChallenges();
  const { publish, withdraw, gives } = prover({ challenges, answersHttp: true, dnsHook: null });
  assert.deepEqual([gives("http-01"), gives("dns-01")], [true, false]);
  await using server = serveHttp({
    address: "127.0.0.1",
    port: freePort(),
    routes: [challengeRoute({ challenges })],
    onError: () => {},
  })!;
  const ask = async (path: string) => {
    const response = await fetch(
      `http://127.0.0.1:${server.port}/.well-known/acme-challenge/${path}`,
    );
    return [response.status, await response.text()];
  };
  const proof = { kind: "http-01", token: TOKEN, keyAuthorization: `${TOKEN}.thumb` } as const;
  assert.equal((await ask(TOKEN))[0], 404);
  await publish(proof);
  assert.deepEqual(await ask(TOKEN), [200, `${TOKEN}.thumb`]);
  for (const path of ["short", `${TOKEN}/x`, `${TOKEN}%00`, "a".repeat(300)]) {
    assert.equal((await ask(path))[0], 404, path);
  }
  await withdraw(proof);
  assert.equal((await ask(TOKEN))[0], 404);
});

Deno.test("nodeDnsHook: tells what to publish and remove, and who asks", async () => {
  const told: unknown[] = [];
  let status = 204;
  await using hook = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (r) => {
      told.push([r.method, r.headers.get("authorization"), await r.json()]);
      return new Response(null, { status, headers: { location: "/elsewhere" } });
    },
  );
  const tell = nodeDnsHook(`http://dns:p%40ss@127.0.0.1:${hook.addr.port}/hook`);
  const { publish, withdraw, gives } = prover({
    challenges: memoryChallenges(),
    answersHttp: false,
    dnsHook: tell,
  });
  assert.deepEqual([gives("http-01"), gives("dns-01")], [false, true]);
  const record = { name: "_acme-challenge.example.org", value: "digest" };
  await publish({ kind: "dns-01", ...record });
  await withdraw({ kind: "dns-01", ...record });
  const basic = `Basic ${btoa("dns:p@ss")}`;
  assert.deepEqual(
    told,
    ["publish", "remove"].map((action) => ["POST", basic, { action, ...record, type: "TXT" }]),
  );
  for (status of [302, 500]) {
    await assert.rejects(tell("publish", record), {
      message: `the DNS hook answers ${status} to publish`,
    });
  }
  const nobody = nodeDnsHook(`http://dns:secret@127.0.0.1:${freePort()}/`);
  await assert.rejects(nobody("publish", record), { message: "the DNS hook is not reached" });
});
