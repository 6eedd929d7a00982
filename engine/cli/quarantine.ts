/** `quarantine list | show | release | delete | expire` */
import { readHeaderSection } from "../mail/header_section.ts";
import type { QueueId } from "../mail/queue_id.ts";
import { splitDeliveryId } from "../mail/queue_id.ts";
import type { HeldMessage, Quarantine } from "../store/quarantine.ts";
import { type Command, type CommandInput, onlyWord, optionOf, UsageError } from "./command.ts";
import { columns, sheet, time } from "./layout.ts";
import { limitOf, queueIdOf } from "./queue.ts";

const MAX_SUBJECT_CHARACTERS = 60;
/** Messages asked for at once. */
const PAGE = 100;

export const quarantineCommands: readonly Command[] = [
  {
    noun: "quarantine",
    verb: "list",
    usage:
      "[--recipient <address or @domain>] [--sender <address or @domain>] [--reason <rule>] [--limit <n>]",
    summary: "Show the mail that is held from delivery, the newest first.",
    example: "quarantine list --recipient ann@example.org",
    options: {
      recipient: { type: "string" },
      sender: { type: "string" },
      reason: { type: "string" },
      limit: { type: "string" },
    },
    prepare: (input) => {
      if (input.positionals.length > 0) throw new UsageError("quarantine list takes no words");
      const filter = {
        recipient: optionOf(input, "recipient"),
        sender: optionOf(input, "sender"),
        reason: optionOf(input, "reason"),
      };
      const limit = limitOf(input.options.limit);
      return async ({ quarantine }) => {
        const held = await listUpTo(limit, quarantine, filter);
        return {
          kind: "done",
          text: held.length === 0 ? "Nothing is held." : columns(held.map(listed)),
          json: held.map(heldJson),
        };
      };
    },
  },
  {
    noun: "quarantine",
    verb: "show",
    usage: "<id> [--save <file>]",
    summary: "Show why a message is held, and its header section; or write all of it to a file.",
    example: "quarantine show 0AM8E2Q1M0200",
    options: { save: { type: "string" } },
    prepare: (input) => {
      const id = queueIdOf(onlyWord(input, "the queue id"));
      const path = optionOf(input, "save");
      return async ({ quarantine }) => {
        const held = await quarantine.show(id);
        const octets = path === null ? null : await quarantine.read(id);
        if (held === null || (path !== null && octets === null)) {
          return { kind: "failed", message: `not held: ${id}` };
        }
        if (path !== null) await Deno.writeFile(path, octets!);
        const header = headerText(held);
        return {
          kind: "done",
          text: [
            shown(held),
            "",
            header,
            ...(path === null ? [] : ["", `wrote the message to ${path}`]),
          ].join("\n"),
          json: { ...heldJson(held), header, ...(path === null ? {} : { file: path }) },
        };
      };
    },
  },
  {
    noun: "quarantine",
    verb: "release",
    usage: "<id> [<id> …]",
    summary: "Deliver held messages after all; the server takes them up within half a minute.",
    example: "quarantine release 0AM8E2Q1M0200",
    prepare: (input) => {
      const ids = queueIdsOf(input);
      return async ({ quarantine }) => {
        const deliveries = await quarantine.release(ids, Date.now());
        const released = new Set(deliveries.map(({ id }) => splitDeliveryId(id).message));
        return decided("released", { asked: ids, done: released });
      };
    },
  },
  {
    noun: "quarantine",
    verb: "delete",
    usage: "<id> [<id> …]",
    summary: "Give held messages up; their senders are not told.",
    example: "quarantine delete 0AM8E2Q1M0200",
    prepare: (input) => {
      const ids = queueIdsOf(input);
      return async ({ quarantine }) => {
        const deleted = await quarantine.discard(ids, Date.now());
        return decided("deleted", { asked: ids, done: new Set(deleted) });
      };
    },
  },
  {
    noun: "quarantine",
    verb: "expire",
    usage: "",
    summary: "Give up now what nobody decided about in time, as the server does each minute.",
    example: "quarantine expire",
    prepare: (input) => {
      if (input.positionals.length > 0) throw new UsageError("quarantine expire takes no words");
      return async ({ quarantine }) => {
        let expired = 0;
        for (let more = -1; more !== 0; expired += more) more = await quarantine.expire(Date.now());
        return { kind: "done", text: `expired: ${expired}`, json: { expired } };
      };
    },
  },
];

/** @throws {UsageError} */
function queueIdsOf(input: CommandInput): readonly QueueId[] {
  if (input.positionals.length === 0) throw new UsageError("the queue id is missing");
  return [...new Set(input.positionals.map(queueIdOf))];
}

async function listUpTo(
  limit: number,
  quarantine: Quarantine,
  filter: { readonly recipient: string | null; sender: string | null; reason: string | null },
): Promise<readonly HeldMessage[]> {
  const held: HeldMessage[] = [];
  while (held.length < limit) {
    const wanted = Math.min(PAGE, limit - held.length);
    const page = await quarantine.list({
      ...filter,
      before: held.at(-1)?.id ?? null,
      limit: wanted,
    });
    held.push(...page);
    if (page.length < wanted) break;
  }
  return held;
}

/** Fails when none of them was held; says which were not. */
function decided(
  what: "released" | "deleted",
  { asked, done }: { readonly asked: readonly QueueId[]; readonly done: ReadonlySet<QueueId> },
) {
  const missing = asked.filter((id) => !done.has(id));
  if (done.size === 0) {
    return { kind: "failed", message: `not held: ${missing.join(", ")}` } as const;
  }
  const lines = [`${what}: ${[...done].join(", ")}`];
  if (missing.length > 0) lines.push(`not held: ${missing.join(", ")}`);
  return {
    kind: missing.length > 0 ? "faults" : "done",
    text: lines.join("\n"),
    json: { [what]: [...done], notHeld: missing },
  } as const;
}

function heldJson(held: HeldMessage) {
  const { head: _, ...rest } = held;
  return { ...rest, subject: subjectOf(held) };
}

function listed(held: HeldMessage): string[] {
  const { id, acceptedAtMs, reason, reversePath, recipients } = held;
  const others = recipients.length > 1 ? ` and ${recipients.length - 1} more` : "";
  return [
    id,
    time(acceptedAtMs),
    reason,
    printable(`<${reversePath}> -> <${recipients[0] ?? ""}>${others}`),
    (subjectOf(held) ?? "").slice(0, MAX_SUBJECT_CHARACTERS).toWellFormed(),
  ];
}

function shown(held: HeldMessage): string {
  return sheet(held.id, [
    ["held", `by ${held.reason}, until ${time(held.untilMs)}`],
    ["because", printable(held.explanation)],
    ["accepted", time(held.acceptedAtMs)],
    ["from", printable(`<${held.reversePath}>`)],
    ["to", held.recipients.map((recipient) => printable(`<${recipient}>`))],
    ["client", printable(`${held.clientAddress} (${held.heloName})`)],
    ["size", `${held.sizeOctets} octets`],
  ]);
}

function subjectOf({ head }: HeldMessage): string | null {
  const subject = readHeaderSection(head).first("Subject");
  return subject === null ? null : printable(subject);
}

function headerText({ head }: HeldMessage): string {
  const { sizeOctets, isTerminated } = readHeaderSection(head);
  const text = new TextDecoder().decode(head.subarray(0, sizeOctets));
  const lines = text.split("\n").map((line) => printable(line.replace(/\r$/, "")));
  if (lines.at(-1) === "") lines.pop();
  return [...lines, ...(isTerminated ? [] : ["…"])].join("\n");
}

/** What a stranger wrote, without what a terminal takes for orders or turns round. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, "?")
    .toWellFormed();
}
