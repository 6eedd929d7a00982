import assert from "node:assert/strict";
import { type DirectoryAnswer, route } from "./route.ts";

const NOT_LOCAL: DirectoryAnswer = { kind: "not_local" };

function ask(domain: string, directory: DirectoryAnswer, mayRelay: boolean): string {
  const answer = route({ recipient: { domain }, directory, mayRelay });
  switch (answer.kind) {
    case "local":
      return `local ${answer.user}`;
    case "remote":
      return `remote ${answer.destination}`;
    case "refused":
      return `${answer.reply.code} ${answer.reply.enhancedStatus}`;
  }
}

Deno.test("route: a mailbox of ours is local, whoever asks", () => {
  const directory: DirectoryAnswer = { kind: "mailbox", user: "ann" };
  assert.equal(ask("example.org", directory, false), "local ann");
  assert.equal(ask("example.org", directory, true), "local ann");
  assert.equal(ask("", directory, false), "local ann");
});

Deno.test("route: an unknown user of a local domain is refused, whoever asks (RFC 3463 §3.2)", () => {
  assert.equal(ask("example.org", { kind: "no_such_user" }, false), "550 5.1.1");
  assert.equal(ask("example.org", { kind: "no_such_user" }, true), "550 5.1.1");
});

Deno.test("route: strangers do not relay, those who may do (RFC 5321 §3.6.2)", () => {
  assert.equal(ask("example.com", NOT_LOCAL, false), "550 5.7.1");
  assert.equal(ask("example.com", NOT_LOCAL, true), "remote example.com");
  assert.equal(ask("[192.0.2.1]", NOT_LOCAL, false), "550 5.7.1");
  assert.equal(ask("[192.0.2.1]", NOT_LOCAL, true), "remote [192.0.2.1]");
  assert.equal(ask("[IPv6:2001:db8::1]", NOT_LOCAL, true), "remote [IPv6:2001:db8::1]");
});

Deno.test("route: what no lookup could serve is refused at once", () => {
  assert.equal(ask("[tag:x]", NOT_LOCAL, true), "550 5.1.2");
  assert.equal(ask("", NOT_LOCAL, true), "550 5.1.1");
});
