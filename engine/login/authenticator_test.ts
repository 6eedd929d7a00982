import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { hashPassword } from "../crypto/password.ts";
import { type GrantedLogin, namesUser } from "./authenticator.ts";
import type { Credentials } from "./sasl.ts";
import { AWAY, BOX, HOME, quickHash, said, told, world } from "./testdata/login_world.ts";

Deno.test("Authenticator: the right password lets in, by address or local part", async () => {
  const w = world();
  w.put("ann", await hashPassword("right"));
  const auth = w.open();
  for (const name of ["ann@example.org", "Ann@Example.ORG", "ann", "ANN"]) {
    assert.equal(told(await auth.authenticate(said(name, "right"), HOME)), "granted ann", name);
  }
  assert.equal(told(await auth.authenticate(said("ann", "wrong"), HOME)), "wrong_password");
});

Deno.test("Authenticator: each refusal costs one hash, whoever is named", async () => {
  const w = world();
  const hash = quickHash("right");
  w.put("ann", hash);
  w.put("off", hash, { isDisabled: true });
  const auth = w.open();
  const cases: [string, string, string, string | null][] = [
    ["nobody", "right", "unknown_user", null],
    ["ann@example.net", "right", "unknown_user", null],
    ["ann", "wrong", "wrong_password", hash],
    ["off", "wrong", "disabled", hash],
    ["off", "right", "disabled", hash],
  ];
  for (const [name, password, reason, comparedWith] of cases) {
    w.compared.length = 0;
    assert.equal(told(await auth.authenticate(said(name, password), HOME)), reason);
    assert.deepEqual(w.compared, [comparedWith]);
  }
});

Deno.test("Authenticator: nobody may act as another (RFC 4616 §2)", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  w.put("bob", quickHash("other"));
  const auth = w.open();
  for (const self of ["ann", "ANN@example.org"]) {
    const result = await auth.authenticate(said("ann@example.org", "right", self), HOME);
    assert.equal(told(result), "granted ann", self);
  }
  w.compared.length = 0;
  for (const other of ["bob", "ann@example.net", "not a mailbox"]) {
    const result = await auth.authenticate(said("ann", "right", other), HOME);
    assert.equal(told(result), "not_allowed", other);
  }
  assert.equal(told(await auth.authenticate(said("a b@", "right"), HOME)), "malformed");
  assert.deepEqual(w.compared, []);
});

Deno.test("Authenticator: an app password is compared with its own hash and no other", async () => {
  const w = world();
  const [own, phone] = [quickHash("own-secret"), quickHash("Kx3p-abc")];
  w.put("ann", own, { appPasswords: [{ tag: "Kx3p", passwordHash: phone }] });
  const auth = w.open();
  const cases: [string, string, string][] = [
    ["Kx3p-abc", "granted ann", phone],
    ["Kx3p-abd", "wrong_password", phone],
    ["kx3p-abc", "wrong_password", own],
    ["own-secret", "granted ann", own],
    ["-Kx3p", "wrong_password", own],
    ["Kx3p", "wrong_password", own],
  ];
  for (const [password, result, comparedWith] of cases) {
    w.compared.length = 0;
    assert.equal(told(await auth.authenticate(said("ann", password), HOME)), result, password);
    assert.deepEqual(w.compared, [comparedWith]);
  }
});

Deno.test("Authenticator: CRAM-MD5 knows who has the secret (RFC 2195 §2)", async () => {
  const w = world();
  const sealedCramSecret = BOX.seal(Buffer.from("tanstaaf"), "cram tim@example.org");
  w.put("tim", quickHash("x"), { sealedCramSecret });
  // A row moved to another user opens for nobody.
  w.put("tom", quickHash("x"), { sealedCramSecret });
  w.put("ann", quickHash("x"));
  const auth = w.open();
  const login = async (name: string, secret: string, challenge: string) => {
    const digestHex = createHmac("md5", secret).update(challenge).digest("hex");
    const kinds = { kind: "cram-md5", method: "CRAM-MD5" } as const;
    return told(await auth.authenticate({ ...kinds, name, challenge, digestHex }, HOME));
  };
  assert.equal(await login("tim", "tanstaaf", "<1.1@mx>"), "granted tim");
  assert.equal(await login("tim", "tanstaaf", "<2.1@mx>"), "granted tim");
  assert.equal(await login("tim", "tanstaag", "<3.1@mx>"), "wrong_password");
  assert.equal(await login("tom", "tanstaaf", "<4.1@mx>"), "wrong_password");
  assert.equal(await login("ann", "x", "<5.1@mx>"), "no_secret");
  assert.equal(await login("nobody", "x", "<6.1@mx>"), "unknown_user");
  assert.deepEqual(w.compared, []);
});

Deno.test("Authenticator: a busy client costs one hash and hardly a call to the store", async () => {
  const w = world();
  w.put("ann", await hashPassword("right"));
  const auth = w.open();
  await auth.authenticate(said("ann", "right"), HOME);
  const { storeCalls } = w.state;
  const startMs = performance.now();
  for (let i = 0; i < 1_000; i++) {
    assert.equal((await auth.authenticate(said("ann", "right"), HOME)).kind, "granted");
  }
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 500, `1,000 logins took ${tookMs} ms`);
  assert.equal(w.compared.length, 1);
  assert.equal(w.state.storeCalls, storeCalls);
});

Deno.test("Authenticator: a client that logs in a hundred times at once costs one hash", async () => {
  const w = world();
  w.put("ann", await hashPassword("right"));
  const auth = w.open();
  const results = await Promise.all(
    Array.from({ length: 100 }, () => auth.authenticate(said("ann", "right"), HOME)),
  );
  assert.ok(results.every(({ kind }) => kind === "granted"));
  assert.equal(w.compared.length, 1);
});

Deno.test("Authenticator: a right password is remembered for a minute, if it stays right", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  const auth = w.open();
  const login = async (password: string) =>
    told(await auth.authenticate(said("ann", password), HOME));
  assert.equal(await login("right"), "granted ann");
  w.state.nowMs += 59_999;
  assert.equal(await login("right"), "granted ann");
  assert.equal(w.compared.length, 1);
  w.state.nowMs += 1;
  assert.equal(await login("right"), "granted ann");
  assert.equal(w.compared.length, 2);
  w.put("ann", quickHash("new"));
  assert.equal(await login("right"), "wrong_password");
  assert.equal(await login("new"), "granted ann");
  w.put("ann", quickHash("new"), { isDisabled: true });
  w.compared.length = 0;
  assert.equal(await login("new"), "disabled");
  assert.equal(w.compared.length, 1);
});

Deno.test("Authenticator: what failed before from there is neither hashed nor counted again", async () => {
  const w = world();
  const hash = quickHash("right");
  w.put("ann", hash);
  w.put("off", hash, { isDisabled: true });
  const auth = w.open();
  const cases: [Credentials, string][] = [
    [said("ann", "old"), "wrong_password"],
    [said("nobody", "old"), "unknown_user"],
    [said("off", "right"), "disabled"],
    [said("ann", "right", "bob"), "not_allowed"],
    [said("not a name", "right"), "malformed"],
  ];
  for (let i = 0; i < 50; i++) {
    for (const [credentials, reason] of cases) {
      assert.equal(told(await auth.authenticate(credentials, HOME)), reason);
    }
  }
  assert.deepEqual(w.compared, [hash, null, hash]);
  assert.equal(told(await auth.authenticate(said("ann", "right"), HOME)), "granted ann");
  // What it failed at is another thing by now.
  w.put("ann", quickHash("old"));
  w.put("nobody", quickHash("old"));
  w.put("off", hash);
  for (const [name, password] of [["ann", "old"], ["nobody", "old"], ["off", "right"]]) {
    const result = told(await auth.authenticate(said(name, password), HOME));
    assert.equal(result, `granted ${name}`);
  }
});

Deno.test("Authenticator: a login holds as long as what it was granted by", async () => {
  const w = world();
  const [own, phone] = [quickHash("own"), quickHash("Kx3p-abc")];
  const sealedCramSecret = BOX.seal(Buffer.from("tanstaaf"), "cram ann@example.org");
  const appPasswords = [{ tag: "Kx3p", passwordHash: phone }];
  const whole = { appPasswords, sealedCramSecret };
  w.put("ann", own, whole);
  const auth = w.open();
  const challenge = "<1.1@mx>";
  const digestHex = createHmac("md5", "tanstaaf").update(challenge).digest("hex");
  const cram = { kind: "cram-md5", method: "CRAM-MD5", name: "ann", challenge, digestHex } as const;
  const logins: GrantedLogin[] = [];
  for (const credentials of [said("ann", "own"), said("ann", "Kx3p-abc"), cram]) {
    const result = await auth.authenticate(credentials, HOME);
    assert.ok(result.kind === "granted");
    logins.push(result);
  }
  const held = async () =>
    await Promise.all(logins.map(async (login) => await auth.renew(login) !== null));
  assert.deepEqual(await held(), [true, true, true]);
  w.put("ann", quickHash("new"), whole);
  assert.deepEqual(await held(), [false, true, true]);
  w.put("ann", own, { ...whole, appPasswords: [] });
  assert.deepEqual(await held(), [true, false, true]);
  w.put("ann", own, { ...whole, sealedCramSecret: null });
  assert.deepEqual(await held(), [true, true, false]);
  w.put("ann", own, { ...whole, isDisabled: true });
  assert.deepEqual(await held(), [false, false, false]);
  w.put("ann", own, { ...whole, senders: ["@example.net"], messagesPerHour: 3 });
  const renewed = await auth.renew(logins[0]);
  assert.deepEqual(renewed?.account.senders, ["@example.net"]);
  assert.equal(renewed?.account.messagesPerHour, 3);
  w.remove("ann");
  assert.deepEqual(await held(), [false, false, false]);
});

Deno.test("namesUser: only of a user's name, be it locked out", async () => {
  const w = world({ limits: { userFailures: 1, addressFailures: 5 } });
  w.put("ann", quickHash("right"));
  w.put("off", quickHash("right"), { isDisabled: true });
  const auth = w.open();
  const cases: [Credentials, string, boolean][] = [
    [said("off", "right"), "disabled", true],
    [said("ann", "wrong"), "wrong_password", true],
    [said("hunter2", "x"), "unknown_user", false],
    [said("hunt er2", "x"), "malformed", false],
    [said("hunter3", "x", "ann"), "not_allowed", false],
    [said("ann", "right"), "locked out: address", false],
  ];
  for (const [credentials, end, isNamed] of cases) {
    const result = await auth.authenticate(credentials, HOME);
    assert.deepEqual([told(result), namesUser(result)], [end, isNamed]);
  }
  for (const [name, isNamed] of [["ann", true], ["hunter2", false]] as const) {
    const result = await auth.authenticate(said(name, "right"), AWAY);
    assert.deepEqual([told(result), namesUser(result)], ["locked out: user", isNamed]);
  }
});
