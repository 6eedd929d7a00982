/** What the tests of the stages share: a small policy, and a client nobody knows. */
import assert from "node:assert/strict";
import { parseNetworks } from "../../routing/networks.ts";
import type { DirectoryAnswer } from "../../routing/route.ts";
import type { Client, SessionPolicy } from "../session.ts";
import { type OwnsSender, ownsSender, type SenderName } from "../submission.ts";

const networks = parseNetworks("");
assert.ok(networks.kind === "networks");

export const POLICY: SessionPolicy = {
  hostname: "mx.example.org",
  localDomain: "example.org",
  maxMessageOctets: 10_000,
  maxRecipients: 3,
  maxReceivedHops: 5,
  idleTimeoutMs: 1000,
  greetPauseMs: 0,
  relayNetworks: networks.networks,
  authMethods: ["PLAIN", "LOGIN"],
  allowsAuthWithoutTls: false,
  answersVrfy: false,
};

export const STRANGER: Client = {
  address: "192.0.2.1",
  port: 1,
  listener: "smtp",
  account: null,
  mayRelay: false,
};

/** Who logged in, at the submission port. */
export const ANN: Client = {
  ...STRANGER,
  listener: "submission",
  mayRelay: true,
  account: {
    user: { domain: "example.org", localPart: "ann" },
    isDisabled: false,
    passwordHash: "",
    appPasswords: [],
    sealedCramSecret: null,
    messagesPerHour: null,
    messagesPerDay: null,
    senders: ["sales@example.org"],
  },
};

/** A directory with two users and plus addressing. */
function lookup({ domain, localPart }: SenderName): DirectoryAnswer {
  if (domain !== "example.org") return { kind: "not_local" };
  const user = localPart.toLowerCase().replace(/\+.*/, "");
  return ["ann", "bob"].includes(user)
    ? { kind: "mailbox", domain, user }
    : { kind: "no_such_user" };
}

export const owns: OwnsSender = (account, sender) =>
  Promise.resolve(ownsSender(account, sender, { answer: lookup(sender) }));
