/** Reads what a hook answered, which may be anything. */
import { formatAddressLiteral, normalizeDomain } from "../mail/domain.ts";
import { formatIp, parseIp } from "../mail/ip_address.ts";
import {
  type PermanentCode,
  reply,
  type SubjectDetail,
  type TransientCode,
} from "../mail/reply.ts";
import type { HookName } from "./policy_hooks.ts";
import type { PolicyOpinion, PolicyRoute } from "./policy_wire.ts";

export type ReadVerdict =
  | PolicyOpinion
  | PolicyRoute
  | { readonly kind: "nonsense"; readonly reason: string };

const MAX_TEXT_CHARACTERS = 300;
const MAX_POINTS = 100;
/** The codes a refusal may have, with what RFC 3463 says in their place. */
const CODES: ReadonlyMap<unknown, TransientCode | PermanentCode> = new Map(
  ([421, 450, 451, 452, 550, 551, 552, 553, 554] as const).map((code) => [code, code]),
);
const POLICY: SubjectDetail = "7.1";

/** Never throws, though looking at an answer may run code of whoever made it. */
export function readVerdict(hook: HookName, answer: unknown): ReadVerdict {
  try {
    if (answer === undefined || answer === null) return { kind: "none" };
    if (typeof answer !== "object") return nonsense(`it answers ${typeof answer}`);
    const fields: Readonly<Record<string, unknown>> = { ...answer };
    return hook === "onRoute" ? readRoute(fields) : readOpinion(hook, fields);
  } catch {
    return nonsense("its answer cannot be looked at");
  }
}

function readOpinion(hook: HookName, answer: Readonly<Record<string, unknown>>): ReadVerdict {
  const { kind } = answer;
  if (kind === "accept") return { kind };
  const text = readText(answer.text);
  if (text === null) return nonsense("its verdict has no text");
  switch (kind) {
    case "refuse": {
      const code = CODES.get(answer.code ?? 550);
      if (code === undefined) return nonsense(`code ${String(answer.code).slice(0, 20)}`);
      return { kind: "refused", reply: reply(codeAt(hook, code), POLICY, text) };
    }
    case "quarantine":
      return { kind, reason: text };
    case "score": {
      const { points } = answer;
      if (typeof points !== "number" || !Number.isFinite(points)) return nonsense("no points");
      const bounded = Math.min(Math.max(points, -MAX_POINTS), MAX_POINTS);
      return { kind: "signal", signal: { name: "POLICY", points: bounded, text } };
    }
    case "tag": {
      const { name } = answer;
      if (typeof name !== "string" || !/^[A-Za-z0-9_]{1,40}$/.test(name)) {
        return nonsense("a tag's name has letters, digits and _ only");
      }
      const signal = { name: `POLICY_${name.toUpperCase()}`, points: 0, text };
      return { kind: "signal", signal };
    }
    default:
      return nonsense(`verdict ${String(kind).slice(0, 40)}`);
  }
}

/** Before the greeting only these two end a session well (RFC 5321 §3.1, §3.8), and 421 ends it only there. */
function codeAt(hook: HookName, code: TransientCode | PermanentCode) {
  const isForNow = code < 500;
  if (hook === "onConnect") return isForNow ? 421 : 554;
  return code === 421 ? 451 : code;
}

function readRoute({ kind, nextHop }: Readonly<Record<string, unknown>>): ReadVerdict {
  if (kind !== "route") return nonsense(`verdict ${String(kind).slice(0, 40)}`);
  if (typeof nextHop !== "object" || nextHop === null) return nonsense("no next hop");
  const { host, port } = { ...nextHop } as { host?: unknown; port?: unknown };
  const destination = typeof host === "string" ? readHost(host) : null;
  if (destination === null) return nonsense("the next hop's host is no domain or IP address");
  if (port === undefined) return { kind, destination };
  if (!Number.isInteger(port) || Number(port) < 1 || Number(port) > 65_535) {
    return nonsense("the next hop's port is none");
  }
  return { kind, destination: `${destination}:${port}` };
}

/** As deliveries have their destinations: an A-label, or a literal in brackets. */
function readHost(host: string): string | null {
  const ip = parseIp(host);
  if (ip !== null) return formatAddressLiteral(formatIp(ip));
  return /^[0-9.]+$/.test(host) ? null : normalizeDomain(host);
}

function readText(text: unknown): string | null {
  if (typeof text !== "string") return null;
  const line = text.slice(0, MAX_TEXT_CHARACTERS).replace(/[^ -~]/g, "?").trim();
  return line === "" ? null : line;
}

function nonsense(reason: string): ReadVerdict {
  return { kind: "nonsense", reason };
}
