/**
 * An example of policy as code. Copy it, change it, and name the copy in `POLICY_MODULE`. Every hook may be left
 * out; one that answers nothing has no opinion. What each is told, and what it may answer, stands in
 * `engine/filters/policy_hooks.ts`; an editor that knows TypeScript shows it while you write.
 *
 * Hooks are asked while a client waits: keep them short, and let whatever they ask over the network end with
 * `signal`. They run beside every session worker, so what a hook remembers is known to one worker alone. A module
 * that does not load keeps the server from starting; when it is loaded anew, the one before stays.
 */
import type { Policy } from "../engine/filters/policy_hooks.ts";

const PARTNERS = new Set(["partner.example", "bank.example"]);
const EXECUTABLE = /\.(?:bat|cmd|com|exe|jse?|lnk|pif|scr|vbs)$/i;

const policy: Policy = {
  // Before the greeting: nothing but the client is known yet.
  onConnect({ client }) {
    if (client.address.startsWith("203.0.113.")) {
      return { kind: "refuse", code: 554, text: "No mail from this network" };
    }
  },

  onMail({ reversePath }) {
    const domain = reversePath.slice(reversePath.lastIndexOf("@") + 1);
    if (domain === "spam.example") {
      return { kind: "refuse", text: "This sender's mail is not wanted here" };
    }
  },

  // Refuses this recipient; the others get the message.
  onRcpt({ forwardPath, reversePath }) {
    if (forwardPath === "staff@example.org" && !reversePath.endsWith("@example.org")) {
      return { kind: "refuse", text: "This list takes mail of members only" };
    }
  },

  // With the message at hand, its authentication and its score so far.
  onMessage({ header, attachments, authentication }) {
    const dmarc = authentication?.dmarc;
    // Trust nobody's From that DMARC does not stand for: anyone can write one.
    if (dmarc?.verdict === "pass" && PARTNERS.has(dmarc.fromDomain)) return { kind: "accept" };
    if (attachments.some(({ fileName }) => fileName !== null && EXECUTABLE.test(fileName))) {
      return { kind: "quarantine", text: "An attachment is a program" };
    }
    if (header.first("Subject")?.toLowerCase().includes("crypto giveaway")) {
      return { kind: "score", points: 4, text: "Offers a giveaway" };
    }
  },

  // Mail for one domain goes through a gateway, whatever its MX records say.
  onRoute({ destination }) {
    if (destination === "archive.example") {
      return { kind: "route", nextHop: { host: "192.0.2.25" } };
    }
  },
};

export default policy;
