import assert from "node:assert/strict";
import type { ExpandedRecipient } from "../routing/expand.ts";
import { countedRecipients, SendingClaim } from "./sending_claim.ts";
import type { SessionServices, Transaction } from "./session.ts";
import { ANN } from "./testdata/policy.ts";

const account = ANN.account!;

function transaction(named: number, remote: number): Transaction {
  const forwardedBy = { domain: "example.org" };
  const recipients: ExpandedRecipient[] = [
    { kind: "local", domain: "example.org", user: "ann", forwardPath: "ann@example.org" },
    ...Array.from({ length: remote }, (_, n): ExpandedRecipient => ({
      kind: "remote",
      forwardPath: `${n}@out.test`,
      destination: "out.test",
      forwardedBy,
    })),
  ];
  return {
    reversePath: "ann@example.org",
    bodyType: "7bit",
    smtpUtf8: false,
    announcedOctets: 0,
    named: new Set(Array.from({ length: named }, (_, n) => `${n}@example.org`)),
    recipients: new Map(recipients.map((recipient) => [recipient.forwardPath, recipient])),
  };
}

/** Counts up to a limit; what is told of it goes to `told`. */
function world(limit: number) {
  const told: string[] = [];
  let counted = 0;
  const services = {
    login: {
      claim: (_: unknown, recipients: number) => {
        if (recipients > limit) return Promise.resolve({ kind: "too_many", limit, per: "day" });
        if (counted + recipients > limit) {
          return Promise.resolve({ kind: "refused", limit, per: "hour", retryAfterMs: 90_000 });
        }
        counted += recipients;
        return Promise.resolve({ kind: "granted" });
      },
      giveBack: (_: unknown, recipients: number) => {
        counted -= recipients;
        return told.includes("away") ? Promise.reject(new Error("away")) : Promise.resolve();
      },
    },
    observer: {
      refused: (reason: string) => told.push(reason),
      failed: (context: string) => told.push(context),
    },
  } as unknown as SessionServices;
  return { claim: new SendingClaim(services), told, counted: () => counted };
}

Deno.test("countedRecipients: whom the client named, or whom groups lead to outside, if more", () => {
  assert.equal(countedRecipients(transaction(1, 0)), 1);
  assert.equal(countedRecipients(transaction(3, 2)), 3);
  assert.equal(countedRecipients(transaction(1, 999)), 999);
});

Deno.test("SendingClaim: a message refused counts nothing, one that goes out does", async () => {
  const { claim, counted } = world(10);
  assert.equal(await claim.take(account, transaction(6, 0)), null);
  assert.equal(counted(), 6);
  claim.giveBack();
  claim.giveBack();
  assert.equal(counted(), 0);
  assert.equal(await claim.take(account, transaction(1, 6)), null);
  claim.keep();
  claim.giveBack();
  assert.equal(counted(), 6);
});

Deno.test("SendingClaim: says when to try again, or that it is in vain (RFC 3463 §3.8)", async () => {
  const { claim, told, counted } = world(10);
  assert.equal(await claim.take(account, transaction(6, 0)), null);
  claim.keep();
  const later = await claim.take(account, transaction(6, 0));
  assert.deepEqual(
    [later?.code, later?.enhancedStatus, later?.text],
    [452, "4.7.1", "Your limit is 10 recipients an hour, try again in 2 minutes"],
  );
  const never = await claim.take(account, transaction(1, 11));
  assert.deepEqual(
    [never?.code, never?.enhancedStatus, never?.text],
    [550, "5.7.1", "Your limit is 10 recipients a day, this message has more"],
  );
  claim.giveBack();
  assert.equal(counted(), 6);
  assert.deepEqual(told, ["rate", "rate"]);
});

Deno.test("SendingClaim: a store that is away when it is given back is told of, and no more", async () => {
  const { claim, told } = world(10);
  await claim.take(account, transaction(1, 0));
  told.push("away");
  claim.giveBack();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(told, ["away", "DATA"]);
});
