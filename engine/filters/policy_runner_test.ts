import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { until } from "../../tests/fixtures/process.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import type { OnFailure } from "./filter_address.ts";
import { policyMessage } from "./policy_facts.ts";
import type { SenderFacts } from "./policy_hooks.ts";
import { checkPolicyModule, PolicyRunner } from "./policy_runner.ts";

const THREAD = new URL("../../workers/policy.ts", import.meta.url);
const MODULE = new URL("testdata/policy_module.ts", import.meta.url).pathname;
const TIMEOUT_MS = 500;

const client = {
  address: "192.0.2.1",
  reverse: { verdict: "pass", name: "mail.example.net" },
  heloName: "mail.example.net",
  heloFaults: [],
  lists: [],
} as const;

function sender(reversePath: string): SenderFacts {
  return {
    nowMs: 0,
    sessionId: "s",
    client: { address: client.address, reverseName: null, lists: [] },
    heloName: client.heloName,
    reversePath,
  };
}

interface Failure {
  readonly hook: string | null;
  readonly fault: string;
  readonly detail: string;
}

async function start(path = MODULE, onFailure: OnFailure = "accept") {
  const failures: Failure[] = [];
  const outcomes: string[] = [];
  const runner = await PolicyRunner.start({
    thread: THREAD,
    path,
    timeoutMs: TIMEOUT_MS,
    onFailure,
    now: () => performance.now(),
    observer: {
      answered: ({ hook, outcome }) => outcomes.push(`${hook} ${outcome}`),
      failed: (failure) => failures.push(failure),
    },
  });
  return { runner, failures, outcomes };
}

/** With a file `busy` in it: threads that loop while it is there end with the test, however that ends. */
async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir();
  await Deno.writeTextFile(`${path}/busy`, "");
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("PolicyRunner: a policy's answers, and its faults as no opinion", async (t) => {
  const { runner, failures, outcomes } = await start();
  using _ = runner;
  const faultOf = async (reversePath: string) => {
    failures.length = 0;
    assert.deepEqual(await runner.ask("onMail", sender(reversePath)), { kind: "none" });
    return failures[0];
  };

  await t.step("hooks the module does not have are not asked", async () => {
    assert.ok(!runner.has("onRcpt"));
    const facts = { ...sender("throws"), forwardPath: "a@b.test", recipients: [] };
    assert.deepEqual(await runner.ask("onRcpt", facts), { kind: "none" });
    assert.deepEqual(outcomes, []);
  });
  await t.step("an answer that takes a while", async () => {
    assert.deepEqual(await runner.ask("onMail", sender("slow")), { kind: "accept" });
    assert.deepEqual(outcomes, ["onMail accept"]);
    assert.deepEqual(await runner.ask("onMail", sender("else")), { kind: "none" });
  });
  await t.step("a message's facts arrive whole and frozen", async () => {
    const octets = Buffer.from(
      "Received: a\r\nreceived: b\r\nSubject: =)\r\n folded\r\n\r\nhello\r\n",
    );
    const header = readHeaderSection(octets);
    const part = { charset: null, transferEncoding: "7bit", depth: 1, head: new Uint8Array() };
    const attachment = {
      ...{ ...part, mediaType: "text/plain", fileName: "a.txt" },
      ...{ disposition: "attachment", sizeOctets: 5 } as const,
    };
    const facts = policyMessage({
      ...{ nowMs: 0, client, reversePath: "a@b.test", recipients: ["c@d.test"] },
      ...{ authentication: null, header, sizeOctets: octets.length },
      ...{ linkLists: [], reputations: [] },
      content: {
        parts: [attachment],
        text: "hello",
        links: [{ url: "http://x.test/", host: "x.test", shown: null }],
        html: null,
        defects: [],
      },
    }, { octets, sessionId: "s", score: { points: 1.5, signals: [] } });
    assert.deepEqual(await runner.ask("onMessage", facts), {
      kind: "quarantine",
      reason: "=) folded|2|hello|a.txt|1.5|x.test|4",
    });
  });
  await t.step("routes", async () => {
    const facts = { nowMs: 0, forwardPath: "a@b.test", isLocal: false, mayRelay: false };
    assert.deepEqual(await runner.route({ ...facts, destination: "b.test" }), {
      kind: "route",
      destination: "gateway.test:2525",
    });
    failures.length = 0;
    assert.deepEqual(await runner.route({ ...facts, destination: "a.test" }), { kind: "none" });
    assert.equal(failures[0].fault, "nonsense");
  });
  await t.step("it throws, rejects, answers late or nonsense", async () => {
    const threw = await faultOf("throws");
    assert.equal(threw.fault, "threw");
    assert.match(threw.detail, /^Error: no such thing \(\S*policy_module\.ts:\d+:\d+\)$/);
    assert.equal((await faultOf("rejects")).detail.split(" (")[0], "TypeError: rejected");
    assert.equal((await faultOf("hangs")).fault, "late");
    assert.equal((await faultOf("nonsense")).fault, "nonsense");
    assert.equal((await faultOf("getter")).fault, "nonsense");
    for (const reversePath of ["complains", "throwsOutside"]) {
      failures.length = 0;
      assert.deepEqual(await runner.ask("onMail", sender(reversePath)), { kind: "none" });
      await until(() => failures.length > 0);
      assert.deepEqual([failures[0].hook, failures[0].fault], [null, "complaint"]);
    }
    assert.equal(outcomes.filter((outcome) => outcome === "onMail failed").length, 5);
  });
  await t.step("more questions than it keeps up with", async () => {
    failures.length = 0;
    const all = Array.from({ length: 300 }, () => runner.ask("onMail", sender("slow")));
    await Promise.all(all);
    assert.equal(failures.filter(({ fault }) => fault === "overloaded").length, 44);
  });
  const isAnswered = async () => (await runner.ask("onMail", sender("slow"))).kind === "accept";
  for (const reversePath of ["loops", "backtracks", "blocks 0.6", "blocks 0.85"]) {
    await t.step(`it ${reversePath}, beyond its time: that call is broken off`, async () => {
      const fault = await faultOf(reversePath);
      assert.deepEqual([fault.fault, /broken off$/.test(fault.detail)], ["late", true]);
      assert.ok(await isAnswered());
    });
  }
  for (const reversePath of ["closes", "exits"]) {
    await t.step(`it ${reversePath}: it does not`, async () => {
      assert.equal((await faultOf(reversePath)).fault, "threw");
      assert.ok(await isAnswered());
    });
  }
  await t.step("many that loop: those behind the first are not asked", async () => {
    const startedMs = performance.now();
    await Promise.all(Array.from({ length: 12 }, () => runner.ask("onMail", sender("loops"))));
    assert.ok(await isAnswered());
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < 8 * TIMEOUT_MS, `${tookMs} ms`);
  });
  await t.step("it keeps its thread: another comes, and no third before an end", async () => {
    await using dir = await temporaryDirectory();
    const [fault, other] = await Promise.all([
      faultOf(`keepsThread ${dir.path}/busy`),
      runner.ask("onMail", sender("slow")),
    ]);
    assert.equal(fault.fault, "stuck");
    assert.deepEqual(other, { kind: "none" });
    assert.equal((await faultOf("slow")).fault, "unavailable");
    await until(isAnswered);
    failures.length = 0;
    await runner.ask("onMail", sender(`keepsThread ${dir.path}/busy`));
    await until(() => failures.some(({ fault }) => fault === "unusable"));
    assert.match(failures.at(-1)!.detail, /never end/);
    await Deno.remove(`${dir.path}/busy`);
    await until(isAnswered);
  });
});

Deno.test("PolicyRunner: faults put mail off where that is set, and never refuse it for good", async () => {
  await using dir = await temporaryDirectory();
  const { runner } = await start(MODULE, "defer");
  using _ = runner;
  for (const reversePath of ["throws", "nonsense", "loops", `keepsThread ${dir.path}/busy`]) {
    const opinion = await runner.ask("onMail", sender(reversePath));
    assert.ok(opinion.kind === "refused", reversePath);
    assert.deepEqual([opinion.reply.code, opinion.reply.enhancedStatus], [451, "4.7.1"]);
  }
  const facts = { nowMs: 0, forwardPath: "a@b.test", isLocal: false, mayRelay: false };
  assert.equal((await runner.route({ ...facts, destination: "b.test" })).kind, "refused");
  await Deno.remove(`${dir.path}/busy`);
});

Deno.test("PolicyRunner: a thread that is busy as it retires counts as one that never ends", async () => {
  await using dir = await temporaryDirectory();
  const path = `${dir.path}/policy.js`;
  const keeps = `while (existsSync(${JSON.stringify(`${dir.path}/busy`)}));`;
  const write = (hook: string) =>
    Deno.writeTextFile(
      path,
      `import { existsSync } from "node:fs"; export default { onMail: ${hook} };`,
    );
  await write(`() => { setTimeout(() => { ${keeps} }, 50); return { kind: "accept" }; }`);
  const { runner, failures } = await start(path);
  using _ = runner;
  assert.equal((await runner.ask("onMail", sender("x"))).kind, "accept");
  await new Promise((resolve) => setTimeout(resolve, 100));
  await write(`async () => { await null; ${keeps} return { kind: "accept" }; }`);
  await runner.reload();
  assert.equal((await runner.ask("onMail", sender("x"))).kind, "none");
  await until(() => failures.some(({ fault }) => fault === "unusable"));
  await Deno.remove(`${dir.path}/busy`);
  await until(async () => (await runner.ask("onMail", sender("x"))).kind === "accept");
});

Deno.test("PolicyRunner: a module loaded anew counts from then on, and one that does not load changes nothing", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/policy.js`;
    const write = (text: string) => Deno.writeTextFile(path, text);
    await write("export default { onMail: () => ({ kind: 'accept' }) };");
    const { runner, failures } = await start(path);
    using _ = runner;
    assert.equal((await runner.ask("onMail", sender("x"))).kind, "accept");
    await write("export default {\n  onMail: () => ({{ kind: 'accept' }) };");
    await runner.reload();
    assert.equal(failures[0].fault, "unusable");
    assert.match(failures[0].detail, /policy\.js: .* \(at 2:\d+\)$/);
    assert.equal((await runner.ask("onMail", sender("x"))).kind, "accept");
    await write("export default { onMail: () => ({ kind: 'quarantine', text: 'new' }) };");
    const [before] = await Promise.all([runner.ask("onMail", sender("x")), runner.reload()]);
    assert.equal(before.kind, "accept");
    assert.equal((await runner.ask("onMail", sender("x"))).kind, "quarantine");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("checkPolicyModule: one readable line for what is wrong, none for the example", async () => {
  const options = { thread: THREAD, timeoutMs: TIMEOUT_MS, now: () => performance.now() };
  const example = new URL("../../config/policy.example.ts", import.meta.url).pathname;
  assert.equal(await checkPolicyModule({ ...options, path: example }), null);
  const dir = await Deno.makeTempDir();
  try {
    const cases: [text: string | null, line: RegExp][] = [
      [null, /Module not found/],
      ["export const x = 1;", /no object with hooks$/],
      ["export default {};", /has no hooks$/],
      ["export default { onRecipient() {} };", /there is no hook onRecipient, only onConnect, /],
      ["export default { onMail: 1 };", /onMail is no function$/],
      ["throw new Error('at the start\\nof it');", /at the start \(at 1:\d+\)$/],
      ["const x: = 1;", /\(at 1:\d+\)$/],
    ];
    for (const [text, line] of cases) {
      // Deno checks the types of TypeScript in tests, which takes its time.
      const path = `${dir}/p.${text?.includes(": =") ? "ts" : "js"}`;
      if (text !== null) await Deno.writeTextFile(path, text);
      const reason = await checkPolicyModule({ ...options, path }) ?? "";
      assert.ok(reason.startsWith(`${path}: `), reason);
      assert.match(reason, line);
      assert.doesNotMatch(reason, /\n/);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
