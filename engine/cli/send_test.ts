import assert from "node:assert/strict";
import type { CliSettings, CommandInput } from "./command.ts";
import { reachable, sendCommands, type Submission, type SubmissionOutcome } from "./send.ts";

const SETTINGS: CliSettings = {
  hostname: "mx.sluice.test",
  domain: "sluice.test",
  listenAddresses: ["0.0.0.0"],
  ports: { smtp: 2525, submission: 0, smtps: 2465, http: 9090 },
  dataDir: "/nonexistent",
  dnsServers: null,
  hasAcme: false,
  hasAcmeDns: false,
  spamRulesPath: null,
};
const PATHS = { from: "Ann@Example.org", to: "bob@example.net, eve@example.net" };

async function send(
  options: CommandInput["options"],
  outcome: SubmissionOutcome = { kind: "refused", reply: "550 no" },
) {
  const seen: Submission[] = [];
  const [command] = sendCommands((submission) => {
    seen.push(submission);
    return Promise.resolve(outcome);
  });
  assert.ok(command.needs === "settings");
  const result = await command.prepare({ positionals: [], options })(() => SETTINGS);
  return { result, submission: seen[0] };
}

Deno.test("send: goes to the SMTP port without a user, with defaults for what is left out", async () => {
  const { submission } = await send(PATHS);
  assert.deepEqual([submission.address, submission.port], ["127.0.0.1", 2525]);
  assert.equal(submission.credentials, null);
  assert.equal(submission.message.reversePath, "Ann@example.org");
  assert.deepEqual(submission.message.forwardPaths, ["bob@example.net", "eve@example.net"]);
  assert.match(submission.message.subject, /test message/);
});

Deno.test("send: shows the reply, the queue id and where to look next", async () => {
  const { result } = await send(PATHS, {
    kind: "taken",
    reply: "250 2.0.0 queued as 0AM8E2Q1M0200",
    refused: [{ forwardPath: "eve@example.net", reply: "550 5.1.1 no" }],
  });
  // Not all that was asked for was done.
  assert.ok(result.kind === "faults");
  assert.equal(
    result.text,
    [
      "127.0.0.1:2525 says: 250 2.0.0 queued as 0AM8E2Q1M0200",
      "  but of eve@example.net: 550 5.1.1 no",
      "what becomes of it: deno task cli trace 0AM8E2Q1M0200",
    ].join("\n"),
  );
  assert.equal((result.json as { queueId: string }).queueId, "0AM8E2Q1M0200");
});

Deno.test("send: fails in the server's words, or when the port it needs is off", async () => {
  const { result } = await send(PATHS);
  assert.deepEqual(result, { kind: "failed", message: "not sent by 127.0.0.1:2525: 550 no" });
  const off = await send({ ...PATHS, user: "ann@example.org", password: "x" });
  assert.deepEqual(off.result, { kind: "failed", message: "the submission port is turned off" });
  assert.equal(off.submission, undefined);
});

Deno.test("send: says what is missing or no address", async () => {
  for (
    const [options, reason] of [
      [{ to: "a@b.example" }, /sender is missing: --from/],
      [{ from: "a@b.example" }, /recipient is missing: --to/],
      [{ from: "a", to: "a@b.example" }, /not a mail address: a$/],
      [{ ...PATHS, to: "a@b.example,," }, /not a mail address/],
      [{ ...PATHS, user: "ann@example.org" }, /password is missing/],
      [{ ...PATHS, password: "x" }, /user is missing/],
      [{ ...PATHS, subject: "a\r\nBcc: x@y.example" }, /one line/],
    ] as const
  ) await assert.rejects(send(options), reason);
});

Deno.test("reachable: an address that stands for all becomes loopback", () => {
  assert.equal(reachable(["0.0.0.0"]), "127.0.0.1");
  assert.equal(reachable(["::", "0.0.0.0"]), "::1");
  assert.equal(reachable(["192.0.2.1"]), "192.0.2.1");
});
