import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { LoginResult } from "../login/authenticator.ts";
import { StoreUnavailableError } from "../store/errors.ts";
import { type AuthTurn, LoginDialogue } from "./login_dialogue.ts";
import { ANN, owns, POLICY } from "./testdata/policy.ts";

const CONTEXT = {
  methods: POLICY.authMethods,
  isSecure: true,
  allowsPlainText: false,
  hasGreeted: true,
  isLoggedIn: false,
  isInTransaction: false,
};
const PLAIN = `PLAIN ${Buffer.from("\0ann\0secret").toString("base64")}`;
const GRANTED = { kind: "granted", account: ANN.account!, proof: "hash" } as const;

/** A dialogue whose logins end as `state.result` says; `told`: what the observer heard, in words. */
function world(result: LoginResult) {
  const state = { result, renewed: GRANTED as typeof GRANTED | null, isAway: false };
  const told: string[] = [];
  const delaysFor: number[] = [];
  const dialogue = new LoginDialogue({
    policy: POLICY,
    newNonce: () => "nonce",
    now: () => 1,
    login: {
      authenticate: () =>
        state.isAway ? Promise.reject(new TypeError("broken")) : Promise.resolve(state.result),
      renew: () =>
        state.isAway
          ? Promise.reject(new StoreUnavailableError("away"))
          : Promise.resolve(state.renewed),
      failureDelayMs(failures) {
        delaysFor.push(failures);
        return 0;
      },
      owns,
      claim: () => Promise.resolve({ kind: "granted" }),
      giveBack: () => Promise.resolve(),
    },
    observer: {
      opened() {},
      closed() {},
      login: (ended, { name }) => told.push(`${name}: ${ended.kind}`),
      refused() {},
      accepted() {},
      failed: (context, error) => told.push(`${context}: ${error}`),
    },
  }, { sessionId: "s1", clientAddress: "192.0.2.1" });
  return { state, told, delaysFor, dialogue };
}

function shown({ reply, next }: AuthTurn): string {
  return `${reply.code} ${reply.enhancedStatus}${next === null ? "" : " …"}`;
}

Deno.test("LoginDialogue: an exchange goes on until it is granted", async () => {
  const { dialogue, told } = world(GRANTED);
  const name = await dialogue.begin("LOGIN", CONTEXT);
  assert.equal(shown(name), "334 null …");
  const password = await name.next!(Buffer.from("ann").toString("base64"));
  assert.equal(shown(password), "334 null …");
  assert.equal(dialogue.account, null);
  assert.equal(shown(await password.next!("c2VjcmV0")), "235 2.7.0");
  assert.equal(dialogue.account, ANN.account);
  assert.deepEqual(told, ["ann: granted"]);
});

Deno.test("LoginDialogue: cancelled or malformed, it is over (RFC 4954 §4)", async () => {
  const { dialogue, told } = world(GRANTED);
  const prompt = await dialogue.begin("PLAIN", CONTEXT);
  assert.equal(shown(await prompt.next!("*")), "501 5.0.0");
  assert.equal(shown(await prompt.next!("%")), "501 5.5.2");
  assert.equal(shown(await dialogue.begin("PLAIN", { ...CONTEXT, isSecure: false })), "538 5.7.11");
  assert.deepEqual(told, []);
});

Deno.test("LoginDialogue: wrong passwords and locked names are delayed, the fifth ends it", async () => {
  const { dialogue, state, delaysFor } = world({ kind: "refused", reason: "wrong_password" });
  const locked = { kind: "locked_out", scope: "user", retryAfterMs: 1, isUser: true } as const;
  for (
    const [result, expected] of [
      [state.result, "535 5.7.8"],
      [locked, "454 4.7.0"],
      [{ kind: "unavailable" }, "454 4.7.0"],
      [locked, "454 4.7.0"],
      [locked, "454 4.7.0"],
      [locked, "421 4.7.0"],
    ] as const
  ) {
    state.result = result;
    assert.equal(shown(await dialogue.begin(PLAIN, CONTEXT)), expected);
  }
  assert.deepEqual(delaysFor, [1, 2, 3, 4, 5]);
});

Deno.test("LoginDialogue: a locked address ends the session at once", async () => {
  const locked = { kind: "locked_out", scope: "address", retryAfterMs: 1, isUser: false } as const;
  const { dialogue, delaysFor } = world(locked);
  assert.equal(shown(await dialogue.begin(PLAIN, CONTEXT)), "421 4.7.0");
  assert.deepEqual(delaysFor, []);
});

Deno.test("LoginDialogue: a fault of our own is a 4yz, and told", async () => {
  const { dialogue, state, told } = world(GRANTED);
  state.isAway = true;
  assert.equal(shown(await dialogue.begin(PLAIN, CONTEXT)), "454 4.7.0");
  assert.deepEqual(told, ["AUTH: TypeError: broken", "ann: unavailable"]);
});

Deno.test("LoginDialogue: a login has what its account has by now, until it holds no more", async () => {
  const { dialogue, state } = world(GRANTED);
  assert.equal(await dialogue.renew(), null);
  await dialogue.begin(PLAIN, CONTEXT);
  const account = { ...ANN.account!, senders: [] };
  state.renewed = { ...GRANTED, account } as typeof GRANTED;
  assert.equal(await dialogue.renew(), null);
  assert.equal(dialogue.account, account);
  state.isAway = true;
  await assert.rejects(dialogue.renew(), StoreUnavailableError);
  assert.equal(dialogue.account, account);
  state.isAway = false;
  state.renewed = null;
  const ended = await dialogue.renew();
  assert.deepEqual([ended?.code, ended?.enhancedStatus], [421, "4.7.0"]);
  assert.equal(dialogue.account, null);
});

Deno.test("LoginDialogue: what was granted is forgotten when asked for, failures are not", async () => {
  const { dialogue, state, delaysFor } = world({ kind: "refused", reason: "wrong_password" });
  await dialogue.begin(PLAIN, CONTEXT);
  state.result = GRANTED;
  await dialogue.begin(PLAIN, CONTEXT);
  dialogue.forget();
  assert.equal(dialogue.account, null);
  state.result = { kind: "refused", reason: "wrong_password" };
  await dialogue.begin(PLAIN, CONTEXT);
  assert.deepEqual(delaysFor, [1, 2]);
});
