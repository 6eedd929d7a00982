/** What a run asks of each mail server it measures. */

import type { ProcessRoots } from "../machine.ts";
import type { Side } from "../measurement.ts";

/** `hold`: take mail and deliver none; `relay`: hand everything to the sink. */
export type Role = "hold" | "relay";

/** A server that takes mail; disposing of it ends its processes and removes its mail. */
export interface RunningServer extends AsyncDisposable {
  readonly smtpPort: number;
  readonly roots: ProcessRoots;
}

export interface Contender {
  readonly side: Side;
  /** Starts it with an empty queue; resolves once it takes connections. */
  start(role: Role): Promise<RunningServer>;
}
