import assert from "node:assert/strict";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { deliveryId } from "../mail/queue_id.ts";
import type { DirectoryAnswer } from "../routing/route.ts";
import { migrate } from "../store/postgres_migrate.ts";
import { postgresSpool } from "../store/postgres_spool.ts";
import type { Spool } from "../store/spool.ts";
import type { Carrier } from "./courier.ts";
import {
  atWork,
  away,
  type Bench,
  LEASE_MS,
  left,
  mails,
  message,
  NOTHING,
  silentAfterMessage,
} from "./testdata/courier_bench.ts";
import type { ScriptedServer, SmtpScript } from "./testdata/scripted_server.ts";

Deno.test("Courier: takes deliveries where they belong and settles them", async (t) => {
  await using embedded = await embeddedPostgres();
  await using sql = client(embedded.target, 3);
  await migrate(sql);
  const root = await Deno.makeTempDir({ prefix: "sluice-courier-" });
  const bench: Bench = {
    spool: postgresSpool(sql),
    root,
    clear: async () => {
      await sql`TRUNCATE messages, deliveries, attempts, bodies`;
      await Deno.remove(root, { recursive: true });
      await Deno.mkdir(root);
    },
  };
  const { spool } = bench;
  const refusing = (part: string, reply: string): SmtpScript => ({
    answer: (command) => command.includes(part) ? reply : undefined,
  });

  await t.step("one message for many at one host is one transaction", async () => {
    await atWork(bench, {}, async ({ commit, finished, script, server }) => {
      const to = Array.from({ length: 150 }, (_, n) => `bob${n}@there.test`);
      await commit(message([...to, "ann@here.test"]), message(["eve@there.test"]));
      await finished();
      assert.equal(await left(spool), NOTHING);
      const count = (verb: string) =>
        script.commands.filter((command) => command.startsWith(verb)).length;
      // A hundred recipients are what every server has to take (RFC 5321 §4.5.3.1.8).
      assert.equal(count("RCPT"), 151);
      assert.ok(count("MAIL") <= 5);
      assert.ok(server.peers.length <= 2);
      assert.equal(mails(root).length, 1);
    });
  });

  await t.step("a refused recipient is reported to the sender, once", async () => {
    const script = refusing("<no", "550 5.1.1 who?");
    await atWork(bench, { script }, async ({ commit, finished }) => {
      await commit(message(["no1@there.test", "yes@there.test", "no2@there.test"]));
      await finished();
      assert.equal(await left(spool), NOTHING);
      const [report, ...others] = mails(root);
      assert.equal(others.length, 0);
      assert.match(report, /^Return-Path: <>/);
      assert.ok(report.includes("no1@there.test") && report.includes("no2@there.test"));
      assert.ok(!report.includes("yes@there.test"));
    });
  });

  await t.step("a report leaves signed, and waits while nobody knows with which keys", async () => {
    let losses = 1;
    const signReport = (octets: Uint8Array) => {
      assert.match(new TextDecoder().decode(octets), /^From: Mail Delivery System/);
      return losses-- > 0 ? away() : Promise.resolve("DKIM-Signature: x\r\n");
    };
    const script = refusing("<no", "550 5.1.1 who?");
    await atWork(bench, { signReport, script }, async ({ commit, finished, later }) => {
      await commit(message(["no@there.test"]));
      await finished();
      assert.equal(await left(spool), "1 queued, 0 leased, 0 deferred");
      await later(5_000);
      assert.equal(await left(spool), NOTHING);
      const [report, ...others] = mails(root);
      assert.equal(others.length, 0);
      assert.match(report, /^DKIM-Signature: x\r?\nFrom: Mail Delivery System/m);
    });
  });

  await t.step("nobody is told of a report that cannot be delivered", async () => {
    const script = refusing("RCPT", "550 5.1.1 who?");
    await atWork(bench, { script }, async ({ commit, finished }) => {
      await commit(message(["no@there.test"], ""));
      await finished();
      assert.equal(await left(spool), NOTHING);
      assert.deepEqual(mails(root), []);
    });
  });

  await t.step("what is deferred comes again, and is given up in the end", async () => {
    const script = refusing("RCPT", "450 4.2.0 later");
    await atWork(bench, { script }, async ({ commit, finished, later, script }) => {
      await commit(message(["bob@there.test"]));
      await finished();
      assert.equal(await left(spool), "0 queued, 0 leased, 1 deferred");
      await later(59_999);
      const attempts = () => script.commands.filter((said) => said.startsWith("RCPT")).length;
      assert.equal(attempts(), 1);
      await later(1);
      assert.equal(attempts(), 2);
      for (let turn = 0; turn < 7; turn++) await later(600_000);
      assert.equal(await left(spool), NOTHING);
      assert.match(mails(root)[0], /Status: 5\.4\.7/);
    });
  });

  await t.step("a claim whose answer is lost leaves no lease behind", async () => {
    let losses = 1;
    const claim: Spool["claim"] = async (ids, lease) => {
      const leased = await spool.claim(ids, lease);
      return losses-- > 0 ? away() : leased;
    };
    await atWork(bench, { spool: { claim } }, async ({ commit, finished, later, script }) => {
      await commit(message(["bob@there.test"]));
      await finished();
      assert.equal(await left(spool), "1 queued, 0 leased, 0 deferred");
      await later(5_000);
      assert.equal(await left(spool), NOTHING);
      assert.equal(script.messages.length, 1);
    });
  });

  await t.step("a body that cannot be read now is asked for again", async () => {
    let losses = 1;
    const read: Spool["read"] = (ids) => losses-- > 0 ? away() : spool.read(ids);
    await atWork(bench, { spool: { read } }, async ({ commit, finished, later, script }) => {
      await commit(message(["bob@there.test"]));
      await finished();
      assert.equal(await left(spool), "1 queued, 0 leased, 0 deferred");
      await later(5_000);
      assert.equal(await left(spool), NOTHING);
      assert.equal(script.messages.length, 1);
    });
  });

  await t.step("a body that is gone is a failure the sender hears of", async () => {
    const read = () => Promise.resolve(new Map());
    await atWork(bench, { spool: { read } }, async ({ commit, finished, later }) => {
      await commit(message(["bob@there.test"]));
      // The report has a body of its own, which is not to be found either.
      await finished();
      await later(5_000);
      assert.equal(await left(spool), NOTHING);
    });
  });

  await t.step("an outcome is kept until the store can record it", async () => {
    let losses = 2;
    const settle: Spool["settle"] = (settlements, options) =>
      losses-- > 0 ? away() : spool.settle(settlements, options);
    await atWork(bench, { spool: { settle } }, async ({ commit, finished, script, errors }) => {
      await commit(message(["bob@there.test"]));
      await finished();
      assert.equal(await left(spool), NOTHING);
      assert.equal(script.messages.length, 1);
      assert.equal(errors.length, 2);
    });
  });

  await t.step("an outcome the store refuses harms no other one", async () => {
    const settle: Spool["settle"] = (settlements, options) =>
      settlements.some(({ id }) => id === poison)
        ? Promise.reject(new Error("refused"))
        : spool.settle(settlements, options);
    let poison = "";
    await atWork(bench, { spool: { settle } }, async ({ commit, courier }) => {
      const messages = Array.from({ length: 5 }, (_, n) => message([`bob${n}@there.test`]));
      poison = deliveryId(messages[2].id, 0);
      await commit(...messages);
      while (courier.underWay === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      while (courier.underWay > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(await left(spool), "0 queued, 1 leased, 0 deferred");
    });
  });

  await t.step("no failure without its report", async () => {
    let losses = 1;
    const lookup = (): Promise<DirectoryAnswer> =>
      losses-- > 0
        ? away()
        : Promise.resolve({ kind: "mailbox", domain: "here.test", user: "ann" });
    const script = refusing("<no", "550 5.1.1 who?");
    await atWork(bench, { lookup, script }, async ({ commit, finished, later, script }) => {
      await commit(message(["no@there.test", "yes@there.test"]));
      await finished();
      assert.equal(await left(spool), "1 queued, 0 leased, 0 deferred");
      await later(5_000);
      assert.equal(await left(spool), NOTHING);
      assert.equal(mails(root).length, 1);
      assert.equal(script.messages.length, 1);
    });
  });

  await t.step("trouble of our own while delivering is deferred", async () => {
    const carry = () => Promise.reject(new Error("a fault of ours"));
    await atWork(bench, { carrier: { carry } }, async ({ commit, finished, errors }) => {
      await commit(message(["bob@there.test"]));
      await finished();
      assert.equal(await left(spool), "0 queued, 0 leased, 1 deferred");
      assert.deepEqual(errors, ["attempt: Error: a fault of ours"]);
    });
  });

  await t.step("the same delivery named over and over is attempted once", async () => {
    await atWork(bench, {}, async ({ commit, courier, finished, script }) => {
      const one = message(["bob@there.test", "eve@there.test"]);
      const ids = [deliveryId(one.id, 0), deliveryId(one.id, 1)];
      await spool.commit([one]);
      const entry = (n: number) => ({ shard: 1, entryId: `${n}-0`, ids });
      await Promise.all([1, 2, 3].map((n) => courier.take([entry(n), entry(n + 10)])));
      await commit(message(["last@there.test"]));
      await finished();
      assert.equal(await left(spool), NOTHING);
      assert.equal(script.messages.length, 2);
    });
  });

  await t.step(
    "a next hop that is slow leaves room for others, and gives back the rest",
    async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      let held = 0;
      const carrier: Partial<Carrier> = {
        keyOf: ({ destination }) => destination,
        roomFor: () => Infinity,
        carry: async (key, { deliveries }) => {
          if (key === "slow.test") {
            held += deliveries.length;
            await promise;
          }
          const delivered = { kind: "delivered", enhancedStatus: "2.0.0", diagnostic: "" } as const;
          return { outcomes: deliveries.map(() => delivered), peer: null };
        },
      };
      await atWork(bench, { carrier }, async ({ commit, finished }) => {
        const slow = (count: number) =>
          Array.from(
            { length: count },
            () => message(Array.from({ length: 100 }, (_, n) => `bob${n}@slow.test`)),
          );
        await commit(...slow(40));
        await commit(...Array.from({ length: 5 }, (_, n) => message([`eve${n}@quick.test`])));
        const endMs = performance.now() + 10_000;
        while ((await spool.depth()).leased !== held || held === 0) {
          assert.ok(performance.now() < endMs);
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        assert.ok(held <= 1_100, `${held}`);
        assert.deepEqual(await spool.depth(), {
          queued: 4_000 - held,
          leased: held,
          deferred: 0,
          held: 0,
        });
        resolve();
        await finished();
      });
    },
  );

  await t.step(
    "nothing that waits too long is begun, and nothing begun goes on for ever",
    async () => {
      const script = silentAfterMessage;
      await atWork(bench, { script }, async ({ commit, later, script }) => {
        await commit(...Array.from({ length: 6 }, (_, n) => message([`bob${n}@there.test`])));
        while (script.messages.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
        // In time before the leases end and anybody else may claim them.
        await later(LEASE_MS * 0.96);
        const { leased, queued, deferred } = await spool.depth();
        assert.equal(leased, 0);
        assert.equal(queued + deferred, 6);
        assert.equal(deferred, 2);
      });
    },
  );

  await t.step("drain gives back what has not begun, at once", async () => {
    const script = silentAfterMessage;
    let server: ScriptedServer | undefined;
    await atWork(bench, { script }, async (work) => {
      server = work.server;
      await work.commit(...Array.from({ length: 9 }, (_, n) => message([`bob${n}@there.test`])));
      while (work.script.messages.length < 2) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      for (const peer of server.peers) peer.end();
    });
    const { leased, queued } = await spool.depth();
    assert.equal(leased, 0);
    assert.ok(queued >= 5, `${queued}`);
  });

  await Deno.remove(root, { recursive: true });
});
