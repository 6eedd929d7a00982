/** What the doctor says of one thing it looked at, and how bad that is. */

export type Verdict =
  | "right"
  | "warn"
  | "wrong"
  | "missing"
  | "duplicated"
  /** Nobody answered, so nothing is known: neither there nor missing. */
  | "unreachable"
  | "not_checked";

export interface Finding {
  readonly verdict: Verdict;
  /** What was seen, in words. */
  readonly reason: string;
  /** What to do about it; `null` when there is nothing to do. */
  readonly mend: string | null;
  /** At fault, but mail passes all the same. */
  readonly isMinor?: true;
}

export type Severity = "required" | "recommended" | "optional";

/** How a finding counts: `note` is neither good nor bad. */
export type Level = "ok" | "note" | "warn" | "fail";

export interface Check extends Finding {
  readonly group: CheckGroup;
  /** The thing, for people: `MX example.org`. */
  readonly subject: string;
  readonly severity: Severity;
}

export type CheckGroup = "dns" | "ports" | "system";

export function levelOf(
  { verdict, severity, isMinor }: Pick<Check, "verdict" | "severity" | "isMinor">,
): Level {
  switch (verdict) {
    case "right":
      return "ok";
    case "not_checked":
      return "note";
    case "warn":
      return "warn";
    case "missing":
      if (severity === "optional") return "note";
      return severity === "required" && !isMinor ? "fail" : "warn";
    case "unreachable":
      return severity === "required" ? "fail" : "warn";
    // Worse than nothing, save where nobody needs it: receivers act on what is published.
    case "wrong":
    case "duplicated":
      return severity === "optional" || isMinor ? "warn" : "fail";
  }
}

export function right(reason: string): Finding {
  return { verdict: "right", reason, mend: null };
}

export function warn(reason: string, mend: string): Finding {
  return { verdict: "warn", reason, mend };
}

export function wrong(reason: string, mend: string): Finding {
  return { verdict: "wrong", reason, mend };
}

export function missing(reason: string, mend: string): Finding {
  return { verdict: "missing", reason, mend };
}

export function duplicated(reason: string, mend: string): Finding {
  return { verdict: "duplicated", reason, mend };
}
