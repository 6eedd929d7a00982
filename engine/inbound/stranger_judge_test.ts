import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { PolicyOpinion } from "../filters/policy_wire.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { parseRcptCommand } from "../mail/path.ts";
import { reply } from "../mail/reply.ts";
import type { MessageJudgement } from "../smtp/inbound.ts";
import { StrangerJudge } from "./stranger_judge.ts";
import { AUTHENTICATED, judgeServices, POLICY, SPF } from "./testdata/services.ts";

const SESSION = { sessionId: "s", clientAddress: "192.0.2.1", clientPort: 40_025 };
const MAIL = "From: a@example.net\r\nSubject: hello\r\n\r\nbody\r\n";

function pathOf(mailbox: string) {
  const path = parseRcptCommand(Buffer.from(`<${mailbox}>`), { smtpUtf8: false });
  assert.ok(path.kind !== "fault");
  return path;
}

async function rcpt(judge: StrangerJudge, mailbox: string, isRefused = false) {
  const refusal = await judge.rcpt({ path: pathOf(mailbox), mailbox, named: new Set(), isRefused });
  return refusal === null ? null : `${refusal.reply.code} ${refusal.reason}`;
}

function message(judge: StrangerJudge, text = MAIL): Promise<MessageJudgement> {
  const octets = new Uint8Array(Buffer.from(text));
  return judge.message({
    octets,
    header: readHeaderSection(octets),
    reversePath: "a@example.net",
    named: new Set(["ann@example.org"]),
  });
}

async function judged(judgement: Promise<MessageJudgement>): Promise<string> {
  const found = await judgement;
  if (found.kind === "refused") return `${found.refusal.reply.code} ${found.refusal.reason}`;
  return found.hold === null ? "accepted" : `held ${found.hold.reason}`;
}

Deno.test("StrangerJudge: takes mail nothing speaks against, with what was found on top", async () => {
  const { services, hits, judged, reputation } = judgeServices();
  const judge = new StrangerJudge(services, SESSION);
  assert.equal(await judge.greet(), null);
  judge.hello("client.example.net");
  assert.equal(await judge.mail("a@example.net"), null);
  assert.equal(await rcpt(judge, "ann@example.org"), null);
  const forged = "Authentication-Results: mx.example.org; dmarc=pass\r\nX-Spam-Flag: NO\r\n";
  const judgement = await message(judge, forged + MAIL);
  assert.ok(judgement.kind === "accepted");
  assert.equal(judgement.clientName, "client.example.net");
  assert.match(judgement.onTop, /^X-Spam-Flag: NO\r\n/);
  assert.match(judgement.onTop, /\r\nAuthentication-Results: mx\.example\.org;\r\n[^]*dmarc=pass/);
  assert.deepEqual(judgement.removed, [{ startOctet: 0, endOctet: forged.length }]);
  assert.deepEqual([hits, judged.length], [[], 1]);
  assert.deepEqual(reputation, ["ham domain:example.net net:192.0.2.0/24"]);
});

Deno.test("StrangerJudge: a listed client hears so at RCPT, but reaches postmaster", async () => {
  const hit = { zone: "bl.example", value: "127.0.0.2", weight: 9, subject: "192.0.2.1" };
  const { services, hits } = judgeServices();
  const questions = { ...services.questions, lists: () => Promise.resolve([hit]) };
  const judge = new StrangerJudge({ ...services, questions }, SESSION);
  assert.equal(await judge.greet(), null);
  await judge.mail("a@example.net");
  assert.equal(await rcpt(judge, "ann@example.org"), "550 lists");
  assert.equal(await rcpt(judge, "Postmaster@example.org"), null);
  assert.deepEqual(hits.map(({ rule, action }) => `${rule} ${action}`), ["dns_list refused"]);
});

Deno.test("StrangerJudge: limits are told where they are crossed", async () => {
  const refusal = { rule: "messages_per_ip", reply: reply(450, "7.1", "later") };
  const { services, hits } = judgeServices({
    rates: {
      connection: () => Promise.resolve(null),
      recipient: ({ isFirst }) => Promise.resolve(isFirst ? refusal : null),
    },
  });
  const judge = new StrangerJudge(services, SESSION);
  await judge.mail("a@example.net");
  assert.equal(await rcpt(judge, "ann@example.org"), "450 rate");
  assert.equal(hits[0].reversePath, "a@example.net");
});

Deno.test("StrangerJudge: holds answers back from who guesses names, in as many sessions as there are places", async () => {
  const { services } = judgeServices();
  const judge = new StrangerJudge(services, SESSION);
  await judge.mail("a@example.net");
  for (const name of ["a", "b"]) await rcpt(judge, `${name}@example.org`, true);
  assert.equal(judge.replyDelayMs(), 0);
  await rcpt(judge, "c@example.org", true);
  assert.equal(judge.replyDelayMs(), 1_000);
  const another = new StrangerJudge(services, SESSION);
  for (const name of ["a", "b", "c"]) await rcpt(another, `${name}@example.org`, true);
  assert.equal(another.replyDelayMs(), 0);
  judge.close();
  assert.equal(another.replyDelayMs(), 1_000);
});

Deno.test("StrangerJudge: spam is refused, and counts against its sender; what DMARC refuses does not", async () => {
  const spam = judgeServices({ score: () => ({ points: 20, signals: [] }) });
  assert.equal(await judged(message(new StrangerJudge(spam.services, SESSION))), "550 spam");
  assert.deepEqual(spam.reputation, ["spam domain:example.net net:192.0.2.0/24"]);
  const dmarc = { ...AUTHENTICATED.dmarc, verdict: "fail" as const };
  const forged = judgeServices({
    authenticate: () => Promise.resolve({ ...AUTHENTICATED, dmarc }),
  });
  const judge = new StrangerJudge(forged.services, SESSION);
  assert.equal(await judged(message(judge)), "550 authentication");
  assert.deepEqual([forged.hits[0].rule, forged.reputation], ["dmarc_fail", []]);
});

Deno.test("StrangerJudge: holds what scores high, and asks the greylist only about what it would take", async () => {
  const asked: boolean[] = [];
  const waiting = { rule: "greylist", reply: reply(451, "7.1", "Greylisted") };
  const greylist = (facts: { isKnown: boolean }) => {
    asked.push(facts.isKnown);
    return Promise.resolve(waiting);
  };
  const policy = { ...POLICY, greylist: "all" as const };
  const take = (overrides: Parameters<typeof judgeServices>[0]) =>
    judged(message(new StrangerJudge(judgeServices(overrides).services, SESSION)));
  assert.equal(await take({ score: () => ({ points: 12, signals: [] }) }), "held spam");
  assert.equal(await take({ policy, greylist }), "451 greylist");
  const score = () => ({ points: 20, signals: [] });
  assert.equal(await take({ policy, greylist, score }), "550 spam");
  const reputationsOf = (subjects: readonly string[]) =>
    Promise.resolve(subjects.map((subject) => ({ subject, ham: 10, spam: 0 })));
  await take({ policy, greylist, reputationsOf });
  assert.deepEqual(asked, [false, true]);
  const suspicious = { ...POLICY, greylist: "suspicious" as const };
  assert.equal(await take({ policy: suspicious, greylist }), "accepted");
});

Deno.test("StrangerJudge: the operator's policy refuses, scores, holds or accepts", async () => {
  const answer = (hook: string, opinion: PolicyOpinion) => ({
    has: (asked: string) => asked === hook,
    ask: () => Promise.resolve(opinion),
  });
  const services = (hook: string, opinion: PolicyOpinion) =>
    judgeServices({
      hooks: answer(hook, opinion),
      score: () => ({ points: 4, signals: [] }),
    }).services;
  const refused: PolicyOpinion = { kind: "refused", reply: reply(554, "7.1", "no") };
  const judge = new StrangerJudge(services("onConnect", refused), SESSION);
  assert.equal((await judge.greet())?.reply.code, 554);
  const signal: PolicyOpinion = {
    kind: "signal",
    signal: { name: "POLICY", points: 7, text: "no friend" },
  };
  assert.equal(
    await judged(message(new StrangerJudge(services("onMessage", signal), SESSION))),
    "held spam",
  );
  const held: PolicyOpinion = { kind: "quarantine", reason: "look at it" };
  const holding = new StrangerJudge(services("onRcpt", held), SESSION);
  await holding.mail("a@example.net");
  await rcpt(holding, "ann@example.org");
  assert.equal(await judged(message(holding)), "held policy");
  // Of the next transaction nothing is known yet.
  await holding.mail("a@example.net");
  assert.equal(await judged(message(holding)), "accepted");
});

Deno.test("StrangerJudge: filters are told the client's address, port and name", async () => {
  const asked: unknown[] = [];
  const { services } = judgeServices();
  const filter: typeof services.filter = ({ client }) => {
    asked.push(client);
    return services.filter({} as never);
  };
  const judge = new StrangerJudge({ ...services, filter }, SESSION);
  await judge.greet();
  await judged(message(judge));
  assert.deepEqual(asked, [
    { address: "192.0.2.1", port: 40_025, reverseName: "client.example.net" },
  ]);
});

Deno.test("StrangerJudge: what programs read differently is refused, since it was judged by one reading", async () => {
  const judge = new StrangerJudge(judgeServices().services, SESSION);
  assert.equal(await judged(message(judge, `\t;dmarc=pass\r\n${MAIL}`)), "550 policy");
  const long = `${"X-A: y\r\n".repeat(40_000)}${MAIL}`;
  assert.equal(await judged(message(judge, long)), "552 policy");
  assert.equal(await judged(message(judge, "From: a@example.net\r\n")), "accepted");
});

Deno.test("StrangerJudge: what the policy accepts for one recipient is judged for the others", async () => {
  const { services } = judgeServices({
    hooks: {
      has: (hook: string) => hook === "onRcpt",
      ask: (_hook: string, facts: unknown) =>
        Promise.resolve<PolicyOpinion>({
          kind: (facts as { forwardPath: string }).forwardPath.startsWith("ann@")
            ? "accept"
            : "none",
        }),
    },
    score: () => ({ points: 20, signals: [] }),
  });
  const judge = new StrangerJudge(services, SESSION);
  const take = async (...recipients: string[]) => {
    await judge.mail("a@example.net");
    for (const recipient of recipients) await rcpt(judge, recipient);
    const octets = new Uint8Array(Buffer.from(MAIL));
    const header = readHeaderSection(octets);
    const named = new Set(recipients);
    return await judged(judge.message({ octets, header, reversePath: "a@example.net", named }));
  };
  assert.equal(await take("ann@example.org"), "accepted");
  assert.equal(await take("ann@example.org", "bob@example.org"), "550 spam");
  assert.equal(await take("bob@example.org"), "550 spam");
});

Deno.test("StrangerJudge: asks nothing a client could have asked without end, and takes no place once it is gone", async () => {
  let questions = 0;
  const signals: AbortSignal[] = [];
  const { services } = judgeServices({
    spf: ({ signal }) => {
      signals.push(signal);
      return Promise.resolve(SPF);
    },
  });
  const heloFaults = () => {
    questions++;
    return Promise.resolve([]);
  };
  const judge = new StrangerJudge(
    { ...services, questions: { ...services.questions, heloFaults } },
    SESSION,
  );
  for (let turn = 0; turn < 100; turn++) {
    judge.hello(`name${turn}.example`);
    await judge.mail("a@example.net");
  }
  assert.deepEqual([questions, signals.length], [0, 0]);
  await rcpt(judge, "ann@example.org");
  assert.deepEqual([questions, signals.map(({ aborted }) => aborted)], [1, [false]]);
  for (const name of ["a", "b", "c"]) await rcpt(judge, `${name}@example.org`, true);
  judge.close();
  assert.deepEqual([judge.replyDelayMs(), signals[0].aborted], [0, true]);
  assert.equal(services.tarpitPlaces.taken, 0);
});
