/** Junk folders as a real Dovecot shows them, and what its users' moves teach. */
import assert from "node:assert/strict";
import { NodeJunkFolders } from "../../engine/delivery/local/node_junk_folders.ts";
import { NodeMaildir } from "../../engine/delivery/local/node_maildir.ts";
import type { MailFolder } from "../../engine/delivery/local/mail_folder.ts";
import { readHeaderSection } from "../../engine/mail/header_section.ts";
import { deliveryId, type QueueId } from "../../engine/mail/queue_id.ts";
import { JunkWatch } from "../../engine/spam/junk_watch.ts";
import { messageFingerprint } from "../../engine/spam/message_fingerprint.ts";
import type { Lesson } from "../../engine/store/spam_memory.ts";
import { PASSWORD, startDovecot } from "../fixtures/dovecot.ts";
import { ImapClient } from "../fixtures/imap_client.ts";

const RECEIVED = "Received: from mx.test by mail.example.org; now\r\n";

async function deliver(store: NodeMaildir, at: number, subject: string, folder: MailFolder) {
  const flag = folder === "junk" ? "X-Spam-Flag: YES\r\n" : "";
  const outcome = await store.deliver({
    id: deliveryId("01J0000000000" as QueueId, at),
    domain: "example.org",
    user: "ann",
    settings: {
      transport: { kind: "maildir" },
      sealedWebhookSecret: null,
      quotaOctets: null,
      whenFull: "defer",
    },
    folder,
    reversePath: "bob@example.com",
    forwardPath: "ann@example.org",
    queuedAtMs: Date.now() - 3_600_000,
    octets: new TextEncoder().encode(`${RECEIVED}${flag}Subject: ${subject}\r\n\r\nbody\r\n`),
    mayBeRepeated: false,
  });
  assert.equal(outcome.kind, "delivered");
}

Deno.test("JunkWatch: moves by IMAP teach, deletions do not, and Dovecot shows the folder as its own", async () => {
  const directory = await Deno.makeTempDir({ dir: "/tmp", prefix: "sluice-junk-" });
  const root = `${directory}/mail`;
  try {
    await using dovecot = await startDovecot({ mailRoot: root });
    if (dovecot === null) return;
    const nonce = () => crypto.randomUUID().replaceAll("-", "");
    const store = new NodeMaildir({ root, nonce, now: Date.now, junkFolder: "Junk" });
    const twins = ["twin", "twin"];
    for (const [at, subject] of ["good", "bad", ...twins].entries()) {
      await deliver(store, at, subject, at === 3 ? "junk" : "inbox");
    }
    await deliver(store, 4, "tagged", "junk");
    const other = new NodeMaildir({ root, nonce, now: Date.now, junkFolder: "Späm & Müll" });
    await deliver(other, 5, "elsewhere", "junk");
    await dovecot.adopt();

    const lessons: string[] = [];
    const subjects = new Map<string, string>();
    await using watch = new JunkWatch({
      folders: new NodeJunkFolders({
        root,
        junkFolder: "Junk",
        now: Date.now,
        nonce,
        maxOctets: 9_999,
        onError: (error) => {
          throw error;
        },
      }),
      memory: {
        learn: (told: readonly Lesson[]) => {
          for (const { label, fingerprint } of told) {
            lessons.push(`${label} ${subjects.get(fingerprint)}`);
          }
          return Promise.resolve(told.map(() => "learned" as const));
        },
      },
      lessonOf: (octets) => {
        const header = readHeaderSection(octets);
        const fingerprint = messageFingerprint(octets, header);
        subjects.set(fingerprint, header.first("subject")!);
        return { fingerprint, tokens: new Float64Array() };
      },
      onLearned: () => {},
      onError: (error) => {
        throw error;
      },
    });
    const look = async () => {
      await watch.run();
      return lessons.splice(0).sort();
    };
    assert.deepEqual(await look(), []);

    using imap = await ImapClient.login({
      port: dovecot.imapPort,
      user: "ann@example.org",
      password: PASSWORD,
    });
    const subscribed = await imap.command('LSUB "" *');
    assert.ok(subscribed.some(({ text }) => /"?Junk"?$/.test(text)), "Junk is not in the list");
    const encoded = "Sp&AOQ-m &- M&APw-ll";
    assert.ok(subscribed.some(({ text }) => text.endsWith(` "${encoded}"`)));
    const selected = await imap.command(`EXAMINE "${encoded}"`);
    assert.ok(selected.some(({ text }) => text === "* 1 EXISTS"));
    const move = async (from: string, subject: string, to: string) => {
      await imap.command(`SELECT "${from}"`);
      const [found] = await imap.command(`UID SEARCH SUBJECT "${subject}"`)
        .then((lines) => lines.filter(({ text }) => /SEARCH \d/.test(text)));
      const uid = /\d+/.exec(found.text)![0];
      await imap.command(`UID MOVE ${uid} "${to}"`);
    };
    for (const folder of ["Trash", "Work"]) await imap.command(`CREATE "${folder}"`);

    await move("INBOX", "bad", "Junk");
    await move("Junk", "tagged", "INBOX");
    assert.deepEqual(await look(), ["ham tagged", "spam bad"]);
    await move("Junk", "bad", "Work");
    // A copy of the same message came to the inbox long before.
    await move("Junk", "twin", "Trash");
    assert.deepEqual(await look(), ["ham bad"]);
    await move("INBOX", "tagged", "Junk");
    assert.deepEqual(await look(), ["spam tagged"]);
    await move("INBOX", "good", "Work");
    assert.deepEqual(await look(), []);
    // A copy in the folder it goes to has its name: Dovecot finds it another.
    await imap.command("SELECT Junk");
    await imap.command('UID COPY 1:* "INBOX"');
    await move("Junk", "tagged", "INBOX");
    assert.deepEqual(await look(), ["ham tagged"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
