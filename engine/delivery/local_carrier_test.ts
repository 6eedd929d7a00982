import assert from "node:assert/strict";
import type { DeliveryId, QueueId } from "../mail/queue_id.ts";
import type { LocalDelivery, LocalRequest } from "./local/local_delivery.ts";
import { LocalCarrier } from "./local_carrier.ts";

Deno.test("LocalCarrier: what was tagged when it was accepted is for the Junk folder", async () => {
  const requests: LocalRequest[] = [];
  const maildir: LocalDelivery = {
    deliver: (request) => {
      requests.push(request);
      return Promise.resolve({ kind: "delivered", repeated: false });
    },
  };
  const settings = {
    transport: { kind: "maildir" },
    sealedWebhookSecret: null,
    quotaOctets: null,
    whenFull: "defer",
  } as const;
  const carrier = new LocalCarrier({
    maildir,
    webhook: maildir,
    find: () => Promise.resolve({ domain: "here.test", user: "ann", settings }),
    submitLmtp: () => Promise.reject(new Error("no LMTP here")),
  });
  for (const flag of ["X-Spam-Flag: YES\r\n", ""]) {
    await carrier.carry("here.test", {
      deliveries: [{
        id: "0AM8N6VJR0100.0" as DeliveryId,
        message: "0AM8N6VJR0100" as QueueId,
        forwardPath: "ann@here.test",
        transport: "local",
        destination: "here.test",
        attempts: 0,
        wasLeased: false,
        queuedAtMs: 0,
        reversePath: "bob@there.test",
        bodyType: "7bit",
        smtpUtf8: false,
        sizeOctets: 100,
      }],
      octets: new TextEncoder().encode(`Received: x\r\n${flag}Subject: x\r\n\r\n`),
      beginBeforeMs: Infinity,
      endBeforeMs: Infinity,
    });
  }
  assert.deepEqual(requests.map(({ folder }) => folder), ["junk", "inbox"]);
});
