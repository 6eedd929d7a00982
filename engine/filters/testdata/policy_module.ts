/** A policy that does whatever the test asks for by the reverse-path. */
// deno-lint-ignore-file no-explicit-any
import { existsSync } from "node:fs";
import type { Policy, Verdict } from "../policy_hooks.ts";

const BAD: Record<string, (detail: string) => unknown> = {
  throws: () => {
    throw new Error("no such thing\nindeed");
  },
  rejects: () => Promise.reject(new TypeError("rejected")),
  hangs: () => new Promise(() => {}),
  loops: () => {
    for (;;);
  },
  backtracks: () => /^(a+)+$/.test(`${"a".repeat(60)}b`),
  /** In one call that V8 cannot break off. */
  blocks: (seconds) => void new Deno.Command("sleep", { args: [seconds] }).outputSync(),
  /** As long as that file is there. */
  keepsThread: async (file) => {
    await null;
    while (existsSync(file));
  },
  nonsense: () => ({ kind: "maybe" }),
  getter: () => ({
    get kind() {
      throw new Error("do not look");
    },
  }),
  complains: () => {
    Promise.reject(new Error("nobody waits"));
  },
  throwsOutside: () => {
    setTimeout(() => {
      throw new Error("thrown outside");
    });
  },
  closes: () => (self as any).close(),
  exits: () => Deno.exit(0),
};

export default {
  onMail: async ({ reversePath }, { signal }) => {
    if (reversePath === "slow") {
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
        setTimeout(resolve, 50);
      });
      return { kind: "accept" };
    }
    const [kind, detail = ""] = reversePath.split(" ");
    return await BAD[kind]?.(detail) as Verdict;
  },
  onMessage(facts) {
    // Whether it is frozen shows in what is thrown here.
    let isFrozen = 0;
    for (const target of [facts, facts.client, facts.header.fields, facts.spam.signals] as any[]) {
      try {
        target.extra = 1;
      } catch {
        isFrozen++;
      }
    }
    const said = [
      ...[facts.header.first("subject"), facts.header.all("Received").length, facts.text],
      ...[facts.attachments[0]?.fileName, facts.spam.points, facts.linkHosts[0], isFrozen],
    ];
    return { kind: "quarantine", text: said.join("|") };
  },
  onRoute: ({ destination }) =>
    destination === "a.test"
      ? { kind: "route", nextHop: { host: "[bad", port: 1 } }
      : { kind: "route", nextHop: { host: "Gateway.Test", port: 2525 } },
} satisfies Policy;
