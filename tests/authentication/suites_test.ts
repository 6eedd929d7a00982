/**
 * The suites for SPF, DKIM and ARC, and transactions of an authentication milter, against two running servers: one
 * that refuses what fails, one that refuses nothing. Both are asked over SMTP, and ask a DNS server on loopback.
 */
import assert from "node:assert/strict";
import { readArcSuite } from "../fixtures/arc_suite.ts";
import { readDkimCollection } from "../fixtures/dkim_collection.ts";
import { type Judged, judgeMail, type JudgingJob } from "../fixtures/judged_mail.ts";
import { readMilterSuite } from "../fixtures/milter_suite.ts";
import { runApart } from "../fixtures/network_namespace.ts";
import { readSpfSuite } from "../fixtures/spf_suite.ts";
import { milterPart } from "./milter_part.ts";
import { arcPart, dkimPart } from "./signature_parts.ts";
import { spfPart } from "./spf_part.ts";
import type { SuitePart } from "./suite_part.ts";

type Parts = Readonly<Record<string, SuitePart>>;
type Outcome = readonly (readonly Judged[])[] | null;

const hostname = "mx.example.net";
const REFUSING = { SERVER_HOSTNAME: hostname, SPF_FAIL: "reject", AUTH_TEMPERROR: "accept" };
const OBSERVING = { SERVER_HOSTNAME: hostname, DMARC_POLICY: "none", AUTH_TEMPERROR: "accept" };

const spf = readSpfSuite();
const dkim = readDkimCollection();
const arc = readArcSuite();
const milter = readMilterSuite();
const areThere = spf !== null && dkim !== null && arc !== null && milter !== null;
if (!areThere) console.warn("the authentication suites are absent: their tests are left out");

function jobOf(env: JudgingJob["env"], parts: Parts): JudgingJob {
  return { env, rounds: Object.values(parts).flatMap(({ rounds }) => rounds) };
}

/** In a network where clients have the addresses of the job; `null` where there can be none. */
async function judgeApart(job: JudgingJob): Promise<Outcome> {
  const addresses = job.rounds.flatMap(({ mails }) => mails)
    .map(({ clientAddress }) => clientAddress.toLowerCase());
  return await runApart({
    addresses: [...new Set(addresses)].filter((address) => address !== "127.0.0.1"),
    program: new URL("judge_apart.ts", import.meta.url),
    input: job,
  }) as Outcome;
}

async function check(test: Deno.TestContext, parts: Parts, judged: Outcome): Promise<void> {
  let at = 0;
  for (const [name, { rounds, faults }] of Object.entries(parts)) {
    const those = judged?.slice(at, at += rounds.length) ?? null;
    await test.step({
      name: `${name}, ${rounds.flatMap(({ mails }) => mails).length} messages`,
      ignore: those === null,
      fn: () => assert.deepEqual(faults(those!), []),
    });
  }
}

Deno.test({
  name: "authentication over SMTP: whole suites",
  ignore: !areThere,
  async fn(test) {
    assert.equal(spf!.flatMap(({ tests }) => tests).length, 203);
    assert.equal(arc!.flatMap(({ tests }) => tests).length, 171);
    assert.equal(dkim!.messages.length, 73);
    assert.equal(milter!.transactions.length, 35);
    const signatures = {
      "signed messages and RFC 8463's example": dkimPart(dkim!),
      "ARC suite": arcPart(arc!),
    };
    const refusing = {
      "transactions that are refused": milterPart(milter!, { enforces: true, hostname }),
      "RFC 7208 suite": spfPart(spf!),
    };
    const observing = {
      ...signatures,
      "transactions": milterPart(milter!, { enforces: false, hostname }),
    };
    const [refused, observed] = await Promise.all([
      judgeApart(jobOf(REFUSING, refusing)),
      judgeApart(jobOf(OBSERVING, observing)),
    ]);
    await check(test, refusing, refused);
    if (observed !== null) await check(test, observing, observed);
    else await check(test, signatures, await judgeMail(jobOf(OBSERVING, signatures)));
  },
});
