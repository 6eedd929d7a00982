/** Delivers messages 0 to 499 into the store its argument names, until it is killed. */
import { deliveryId, type QueueId } from "../../../mail/queue_id.ts";
import { NodeMaildir } from "../node_maildir.ts";

const [root, mayBeRepeated] = Deno.args;
const store = new NodeMaildir({ root, nonce: () => crypto.randomUUID(), now: Date.now });
const octets = new TextEncoder().encode("Subject: x\r\n\r\n" + "body\r\n".repeat(2000));

let next = 0;
async function deliverInTurn(): Promise<void> {
  while (next < 500) {
    const at = next++;
    const outcome = await store.deliver({
      id: deliveryId("01J0000000000" as QueueId, at),
      domain: "example.org",
      settings: {
        transport: { kind: "maildir" },
        sealedWebhookSecret: null,
        quotaOctets: null,
        whenFull: "defer",
      },
      user: `user${at % 3}`,
      folder: "inbox",
      reversePath: "bob@example.com",
      forwardPath: `user${at % 3}@example.org`,
      queuedAtMs: 1_767_323_045_678,
      octets,
      mayBeRepeated: mayBeRepeated === "repeated",
    });
    console.log(`${at} ${outcome.kind}`);
  }
}

await Promise.all(Array.from({ length: 8 }, deliverInTurn));
