/** Runs every dialogue of `dialogues/` against servers with the settings they ask for. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Dialogue, parseDialogue } from "./dialogue.ts";
import { runDialogue } from "./dialogue_run.ts";
import { newCopies, queueIdOf } from "./fixtures/maildir.ts";
import { until } from "./fixtures/process.ts";
import { type ServerFixture, startServer } from "./fixtures/server.ts";

const FOLDER = new URL("dialogues/", import.meta.url);
// Beside the checkout, where whoever has the collection puts it.
const SMUGGLING = fileURLToPath(
  new URL("../../shared/data/smuggling-eod.json", import.meta.url),
);
/** Small enough that going beyond it is quick. */
const SETTINGS = { MAX_MESSAGE_BYTES: "100000" };
const AT_ONCE = 8;
/** More would have to wait for each other's start. */
const SERVERS_AT_ONCE = 3;

/** By environment, so that a server starts once for all dialogues that want the same. */
function readDialogues(): Map<string, Dialogue[]> {
  const groups = new Map<string, Dialogue[]>();
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort();
  for (const name of names) {
    const dialogue = parseDialogue(name, Deno.readTextFileSync(new URL(name, FOLDER)));
    const key = JSON.stringify(dialogue.env);
    groups.set(key, [...groups.get(key) ?? [], dialogue]);
  }
  return groups;
}

/** The collection's terminators, each amid a message that must not end there. */
function smugglingDialogues(): Dialogue[] {
  if (!existsSync(SMUGGLING)) {
    console.warn(`skipped the smuggling collection: ${SMUGGLING} is absent`);
    return [];
  }
  const cases: { id: string; bytes_b64: string }[] = JSON.parse(readFileSync(SMUGGLING, "utf8"));
  return cases.map(({ id, bytes_b64 }) => {
    const octets = [...Buffer.from(bytes_b64, "base64")];
    const escaped = octets.map((octet) => `\\x${octet.toString(16).padStart(2, "0")}`).join("");
    return parseDialogue(
      id,
      `# only CRLF.CRLF ends DATA, RFC 5321 §4.1.1.4
S: 220
C: EHLO client.example
S*: 250
C: MAIL FROM:<a@example.org>
S: 250
C: RCPT TO:<admin@localhost>
S: 250
C: DATA
S: 354
C-raw: Subject: a\\r\\n\\r\\nbody${escaped}MAIL FROM:<smuggled@example.org>\\r\\nRCPT TO:<admin@localhost>\\r\\nDATA\\r\\nSubject: smuggled\\r\\n\\r\\n
silent 100ms
C: .
S: 550 5.6.0
C: QUIT
S: 221
closes
`,
    );
  });
}

Deno.test("dialogues: every file gets the replies its RFC asks for", async (test) => {
  const groups = readDialogues();
  groups.get("{}")!.push(...smugglingDialogues());
  const runGroup = async (env: string, dialogues: readonly Dialogue[]) => {
    await using server = await startServer({ ...SETTINGS, ...JSON.parse(env) });
    const queued = new Set<string>();
    const waiting = dialogues.values();
    let hasPassed = true;
    const runWaiting = async () => {
      for (const dialogue of waiting) {
        hasPassed = await test.step({
          name: `${dialogue.name}: ${dialogue.rule}`,
          fn: async () => {
            for (const id of await runDialogue(dialogue, server)) queued.add(id);
          },
          // Several run at once.
          sanitizeOps: false,
          sanitizeResources: false,
          sanitizeExit: false,
        }) && hasPassed;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, runWaiting));
    // A dialogue that broke off may have left messages it was not told of.
    if (hasPassed) await onlyTheseArrived(server, queued);
    // Every connection and its memory are given back, however it ended.
    const held = /^smtp_(?:connections_open|octets_in_flight)\S* (?!0$).*$/m;
    await until(async () => !held.test(await server.metrics()));
    assert.doesNotMatch(server.log(), /"level":"(?:error|fatal)"/);
  };
  const left = groups.entries();
  const ended = await Promise.allSettled(
    Array.from({ length: SERVERS_AT_ONCE }, async () => {
      for (const [env, dialogues] of left) await runGroup(env, dialogues);
    }),
  );
  for (const end of ended) if (end.status === "rejected") throw end.reason;
});

/** Every message that was said to be queued arrives, and no other does. */
async function onlyTheseArrived(server: ServerFixture, queued: Set<string>): Promise<void> {
  const arrived = () => new Set(newCopies(server.mailbox).map(queueIdOf));
  await until(() => queued.isSubsetOf(arrived()));
  assert.deepEqual([...arrived().difference(queued)], []);
}
