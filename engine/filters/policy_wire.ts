/** What a session worker and the thread of its policy tell each other. */
import type { Reply } from "../mail/reply.ts";
import type { Signal } from "../spam/facts.ts";
import type { HookName, MessageFacts, PolicyField } from "./policy_hooks.ts";

/** A hook's verdict, checked and in our own words. */
export type PolicyOpinion =
  | { readonly kind: "none" }
  | { readonly kind: "accept" }
  /** For good or for now, as the reply's severity says. */
  | { readonly kind: "refused"; readonly reply: Reply }
  | { readonly kind: "quarantine"; readonly reason: string }
  | { readonly kind: "signal"; readonly signal: Signal };

/** `destination`: as `RoutedRecipient` has it, with `:port` behind it if one was named. */
export type PolicyRoute =
  | { readonly kind: "none" }
  | { readonly kind: "route"; readonly destination: string };

export type PolicyFault =
  /** The hook threw, or its promise was rejected. */
  | "threw"
  | "late"
  /** It answered what is no verdict. */
  | "nonsense"
  /** Its thread does not answer at all, and was given up. */
  | "stuck"
  /** More questions than its thread answers. */
  | "overloaded"
  /** Its thread is gone and not back yet. */
  | "unavailable";

/** Facts as they cross threads: the header section's methods cannot. */
export type WireMessageFacts = Omit<MessageFacts, "header"> & {
  readonly fields: readonly PolicyField[];
};

export type ToPolicyThread =
  | { readonly kind: "load"; readonly path: string; readonly timeoutMs: number }
  /** At most as many under way as the runner allows. */
  | {
    readonly kind: "ask";
    readonly call: number;
    readonly hook: HookName;
    readonly facts: unknown;
    /** Nobody waits for the answer any more (Unix ms). */
    readonly untilMs: number;
  }
  /** Say something, to be ended: a thread that is busy cannot be. */
  | { readonly kind: "leave" };

export type FromPolicyThread =
  | { readonly kind: "ready"; readonly hooks: readonly HookName[] }
  /** One readable line. */
  | { readonly kind: "unusable"; readonly reason: string }
  | {
    readonly kind: "answer";
    readonly call: number;
    readonly opinion: PolicyOpinion | PolicyRoute;
  }
  | {
    readonly kind: "fault";
    readonly call: number;
    readonly fault: PolicyFault;
    readonly detail: string;
  }
  | { readonly kind: "leaving" }
  /** Something was thrown that is no hook's answer. */
  | { readonly kind: "complaint"; readonly detail: string };
