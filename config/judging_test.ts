import assert from "node:assert/strict";
import { parseConfig } from "./schema.ts";

const MACHINE = { hostname: "mail.example.org", cores: 2 };

function judgingOf(variables: Record<string, string>) {
  const result = parseConfig(variables, MACHINE);
  assert.ok("config" in result, "mistakes" in result ? result.mistakes.join("\n") : "");
  return result.config.judging;
}

function mistakesOf(variables: Record<string, string>): readonly string[] {
  const result = parseConfig(variables, MACHINE);
  return "mistakes" in result ? result.mistakes : [];
}

Deno.test("parseConfig: strangers are judged by default, this machine's own programs are not", () => {
  const judging = judgingOf({});
  assert.deepEqual(judging.trustedNetworks, ["127.0.0.0/8", "::1"]);
  assert.deepEqual(judging.spamScores, { tag: 5, greylist: null, quarantine: null, reject: 15 });
  assert.deepEqual(
    [judging.dmarcPolicy, judging.spfFail, judging.authTemperror, judging.greylist],
    ["enforce", "score", "defer", "off"],
  );
  assert.deepEqual(judging.rates.connections_per_ip, { count: 300, periodMs: 60_000 });
  assert.equal(judging.rates.messages_per_net, null);
  assert.deepEqual([judging.rspamd, judging.clamd, judging.milters], [null, null, []]);
});

Deno.test("parseConfig: none and off turn parts of judging off", () => {
  const judging = judgingOf({
    TRUSTED_NETWORKS: "none",
    RATE_CONNECTIONS_PER_IP: "off",
    JUNK_FOLDER: "off",
    SPAM_REJECT_SCORE: "Off",
    DNS_LISTS_REJECT_WEIGHT: "off",
  });
  assert.deepEqual(judging.trustedNetworks, []);
  assert.deepEqual(
    [
      judging.rates.connections_per_ip,
      judging.junkFolder,
      judging.spamScores.reject,
      judging.dnsListsRejectWeight,
    ],
    [null, null, null, null],
  );
});

Deno.test("parseConfig: reads lists, rates and filters as people write them", () => {
  const judging = judgingOf({
    DNS_LISTS: "zen.spamhaus.org=127.0.0.[2..11]*8, list.dnswl.org*-3",
    RATE_MESSAGES_PER_IP: "20/10m",
    RSPAMD_URL: "http://127.0.0.1:11333/",
    CLAMD_ADDRESS: "/run/clamd.sock",
    MILTERS: "inet:127.0.0.1:8891,unix:/run/milter.sock",
    ARC_TRUSTED_SEALERS: "Lists.Example.ORG",
  });
  assert.deepEqual(judging.dnsLists.map(({ zone }) => zone), [
    "zen.spamhaus.org",
    "list.dnswl.org",
  ]);
  assert.deepEqual(judging.rates.messages_per_ip, { count: 20, periodMs: 600_000 });
  assert.equal(judging.rspamd?.url, "http://127.0.0.1:11333");
  assert.deepEqual(judging.clamd?.address, { transport: "unix", path: "/run/clamd.sock" });
  assert.equal(judging.milters.length, 2);
  assert.deepEqual(judging.arcTrustedSealers, ["lists.example.org"]);
});

Deno.test("parseConfig: says what is wrong with how strangers are judged", () => {
  assert.deepEqual(mistakesOf({ RATE_MESSAGES_PER_IP: "many" }), [
    'RATE_MESSAGES_PER_IP: expected off or a rate such as 100/1m, got "many"',
  ]);
  assert.match(mistakesOf({ DNS_LISTS: "zen.example*x" })[0], /^DNS_LISTS: "zen\.example\*x": /);
  assert.deepEqual(mistakesOf({ SPAM_TAG_SCORE: "20" }), [
    "SPAM_REJECT_SCORE: expected at least the value of SPAM_TAG_SCORE",
  ]);
  assert.deepEqual(mistakesOf({ GREYLIST: "suspicious" }), [
    "SPAM_GREYLIST_SCORE: missing, while GREYLIST is suspicious",
  ]);
  assert.deepEqual(mistakesOf({ GREYLIST_WINDOW_S: "300" }), [
    "GREYLIST_WINDOW_S: expected more than the value of GREYLIST_DELAY_S",
  ]);
  assert.match(mistakesOf({ JUNK_FOLDER: "../x" })[0], /^JUNK_FOLDER: expected off or a folder's/);
});
