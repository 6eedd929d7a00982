/** Where forward-paths lead, for a session worker: the directory, return paths of ours, full mailboxes. */
import type { NodeMailboxRoom } from "../engine/delivery/local/node_mailbox_room.ts";
import type { RouteFacts } from "../engine/filters/policy_hooks.ts";
import { routeExpansion } from "../engine/filters/policy_route.ts";
import type { PolicyRunner } from "../engine/filters/policy_runner.ts";
import { type AliasFault, expandRecipient } from "../engine/routing/expand.ts";
import { takeBack } from "../engine/routing/srs.ts";
import type { RecipientServices } from "../engine/smtp/session.ts";
import type { Directory } from "../engine/store/directory.ts";

/** What a message grows by on its way into a mailbox: Received, Return-Path, Delivered-To. */
const TRACE_OCTETS = 1_024;

export function recipientServices(parts: {
  readonly directory: Directory;
  readonly room: NodeMailboxRoom;
  readonly srsSecret: Uint8Array;
  readonly onAliasFault: (fault: AliasFault) => void;
  /** `null`: the operator has none. */
  readonly policy: Pick<PolicyRunner, "has" | "route"> | null;
}): RecipientServices {
  const { directory, room, srsSecret, onAliasFault, policy } = parts;
  return {
    expand: async (mailbox, { mayRelay }) => {
      const nowMs = Date.now();
      const expansion = await expandRecipient(mailbox, {
        lookup: (domain, localPart) => directory.lookup(domain, localPart),
        mayRelay,
        takeBack: (localPart) => takeBack(localPart, { secret: srsSecret, nowMs }),
        onFault: onAliasFault,
      });
      if (!policy?.has("onRoute")) return expansion;
      const ask = (facts: RouteFacts) => policy.route(facts);
      return await routeExpansion(expansion, { ask, mayRelay, nowMs });
    },
    fullMailbox: async (recipient, sizeOctets) => {
      if (recipient.kind !== "local") return null;
      const { domain, user } = recipient;
      const settings = await directory.mailbox({ domain, localPart: user });
      if (settings === null || settings.quotaOctets === null) return null;
      if (settings.transport.kind !== "maildir") return null;
      const neededOctets = sizeOctets + TRACE_OCTETS;
      const hasRoom = await room.hasRoom({ domain, user }, settings.quotaOctets, neededOctets);
      return hasRoom ? null : settings.whenFull;
    },
  };
}
