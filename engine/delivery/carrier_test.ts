import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import type { DeliveryId, QueueId } from "../mail/queue_id.ts";
import type { LocalTransport } from "../store/directory.ts";
import type { LeasedDelivery } from "../store/spool.ts";
import { MailCarrier } from "./carrier.ts";
import type { Consignment } from "./consignment.ts";
import type { LocalDelivery } from "./local/local_delivery.ts";
import { openNextHop } from "./next_hop.ts";
import { openSession } from "./node_smtp_opener.ts";
import { ScriptedServer, smtpScript } from "./testdata/scripted_server.ts";

const KEY = "local here.test";
const TAKES: LocalDelivery = {
  deliver: () => Promise.resolve({ kind: "delivered", repeated: false }),
};

function carrierTo(transport: LocalTransport, webhook: LocalDelivery = TAKES): MailCarrier {
  const settings = {
    transport,
    sealedWebhookSecret: null,
    quotaOctets: null,
    whenFull: "defer",
  } as const;
  return new MailCarrier({
    local: {
      maildir: TAKES,
      webhook,
      find: () => Promise.resolve({ domain: "here.test", user: "ann", settings }),
    },
    smarthost: null,
    deliveryPort: 25,
    open: (nextHop) =>
      openNextHop(nextHop, {
        resolver: new ZoneResolver({}),
        random: () => 0.5,
        now: Date.now,
        isOurs: () => false,
        open: (request) =>
          openSession(request, { hostname: "x", connectTimeoutMs: 900, commandTimeoutMs: 900 }),
      }),
    pool: {
      maxSessions: 1,
      idleMs: 1_000,
      commandTimeoutMs: 2_000,
      now: Date.now,
      observer: { opened() {}, closed() {}, reused() {} },
    },
  });
}

function consignment(
  forwardPaths: readonly string[],
  fields: Partial<Consignment & Pick<LeasedDelivery, "smtpUtf8">> = {},
): Consignment {
  const { smtpUtf8 = false, octets = Buffer.from("Subject: x\r\n\r\n"), ...rest } = fields;
  return {
    deliveries: forwardPaths.map((forwardPath, index) => ({
      id: `0AM8N6VJR0100.${index}` as DeliveryId,
      message: "0AM8N6VJR0100" as QueueId,
      forwardPath,
      transport: "local",
      destination: "here.test",
      attempts: 0,
      wasLeased: false,
      queuedAtMs: 0,
      reversePath: "bob@there.test",
      bodyType: "7bit",
      smtpUtf8,
      sizeOctets: octets.length,
    })),
    octets,
    beginBeforeMs: Infinity,
    endBeforeMs: Infinity,
    ...rest,
  };
}

Deno.test("MailCarrier: an LMTP server needs SMTPUTF8 for an address only, not for content", async () => {
  const { run, commands } = smtpScript({
    extensions: [],
    answer: (command) => command.startsWith("LHLO") ? "250-test\r\n250 8BITMIME" : undefined,
  });
  await using server = await ScriptedServer.start(run);
  const carrier = carrierTo({ kind: "lmtp", address: `127.0.0.1:${server.port}` });
  const octets = Buffer.from("Subject: дом\r\n\r\n");
  const content = consignment(["ann@here.test"], { octets, smtpUtf8: true });
  const [taken] = (await carrier.carry(KEY, content)).outcomes;
  assert.equal(taken.kind, "delivered", taken.diagnostic);
  assert.ok(commands.includes("MAIL FROM:<bob@there.test> BODY=8BITMIME"), commands.join("\n"));
  const address = consignment(["ann+дом@here.test"], { octets, smtpUtf8: true });
  const [refused] = (await carrier.carry(KEY, address)).outcomes;
  assert.equal(refused.enhancedStatus, "5.6.7");
  carrier.close();
});

Deno.test("MailCarrier: webhooks of one message go a few at a time, fewer where it is large", async () => {
  for (const [sizeOctets, expected] of [[1024, 4], [20 * 1024 * 1024, 1]]) {
    let [underWay, most] = [0, 0];
    const carrier = carrierTo({ kind: "webhook", url: "https://hook.test/" }, {
      deliver: async () => {
        most = Math.max(most, ++underWay);
        await new Promise((resolve) => setTimeout(resolve));
        underWay--;
        return { kind: "delivered", repeated: false };
      },
    });
    const paths = Array.from({ length: 20 }, (_, index) => `ann+${index}@here.test`);
    const { outcomes } = await carrier.carry(
      KEY,
      consignment(paths, { octets: new Uint8Array(sizeOctets) }),
    );
    assert.deepEqual(outcomes.map(({ kind }) => kind), paths.map(() => "delivered"));
    assert.equal(most, expected);
  }
});

Deno.test("MailCarrier: what no webhook began with goes back, as late as at a drain", async () => {
  const { promise: answer, resolve } = Promise.withResolvers<void>();
  const carrier = carrierTo({ kind: "webhook", url: "https://hook.test/" }, {
    deliver: async () => {
      await answer;
      return { kind: "delivered", repeated: false };
    },
  });
  const paths = ["a", "b", "c", "d", "e"].map((name) => `${name}@here.test`);
  const first = carrier.carry(KEY, consignment(paths, { beginBeforeMs: 100 }));
  const late = carrier.carry(KEY, consignment(["f@here.test"], { beginBeforeMs: 100 }));
  const drained = carrier.carry(KEY, consignment(["g@here.test"]));
  await new Promise((resolve) => setTimeout(resolve));
  carrier.tick(100);
  assert.deepEqual((await late).outcomes, []);
  carrier.withdraw();
  assert.deepEqual((await drained).outcomes, []);
  resolve();
  const kinds = (await first).outcomes.map(({ kind }) => kind);
  assert.deepEqual(kinds, ["delivered", "delivered", "delivered", "delivered", "deferred"]);
});
