import assert from "node:assert/strict";
import { parseMailbox } from "../mail/path.ts";
import {
  type AliasFault,
  type ExpandedRecipient,
  expandRecipient,
  routedRecipient,
} from "./expand.ts";
import type { DirectoryAnswer } from "./route.ts";
import { forwardingPath, takeBack } from "./srs.ts";

/** Users and aliases by address; the domains they are in are ours, `@domain` is the catch-all. */
interface World {
  readonly users?: readonly string[];
  readonly aliases?: Readonly<Record<string, readonly string[]>>;
  readonly mayRelay?: boolean;
  /** Aliases with more targets than are read. */
  readonly tooLarge?: readonly string[];
  /** Filled with what was told of aliases. */
  readonly faults?: AliasFault[];
}

const SRS = { secret: new Uint8Array(32).fill(7), nowMs: Date.UTC(2026, 0, 2) };

/** Answers as the directory does, save for postmasters. */
function lookupIn({ users = [], aliases = {}, tooLarge = [] }: World) {
  const names = [...users, ...Object.keys(aliases), ...tooLarge];
  const domains = new Set(names.map((name) => name.slice(name.lastIndexOf("@") + 1)));
  return (domain: string, anyLocalPart: string): Promise<DirectoryAnswer> => {
    const localPart = anyLocalPart.toLowerCase();
    for (const name of [localPart, localPart.replace(/\+.*/s, ""), ""]) {
      const address = `${name}@${domain}`;
      const user = users.includes(address) ? name : null;
      const targets = aliases[address];
      if (tooLarge.includes(address)) return Promise.resolve({ kind: "too_large" });
      if (targets !== undefined) return Promise.resolve({ kind: "alias", targets, user });
      if (user !== null) return Promise.resolve({ kind: "mailbox", domain, user });
    }
    return Promise.resolve({ kind: domains.has(domain) ? "no_such_user" : "not_local" });
  };
}

function shown(recipient: ExpandedRecipient): string {
  const { forwardPath } = recipient;
  if (recipient.kind === "local") {
    return `${forwardPath} in ${recipient.user}@${recipient.domain}`;
  }
  const by = recipient.forwardedBy;
  return `${forwardPath} to ${recipient.destination}${by === null ? "" : ` by ${by.domain}`}`;
}

async function expand(address: string, world: World): Promise<string | string[]> {
  const mailbox = address === "postmaster"
    ? { localPart: address, domain: "", mailbox: address, isInternational: false }
    : parseMailbox(address);
  assert.ok(typeof mailbox !== "string", address);
  const expansion = await expandRecipient(mailbox, {
    lookup: lookupIn(world),
    mayRelay: world.mayRelay ?? false,
    takeBack: (localPart) => takeBack(localPart, SRS),
    onFault: (fault) => world.faults?.push(fault),
  });
  if (expansion.kind === "recipients") return expansion.recipients.map(shown);
  return `${expansion.reply.code} ${expansion.reply.enhancedStatus}`;
}

Deno.test("expandRecipient: a mailbox of ours is local, whoever asks, and keeps its detail", async () => {
  const world = { users: ["ann@x.test"] };
  for (const mayRelay of [false, true]) {
    assert.deepEqual(await expand("Ann+News@x.test", { ...world, mayRelay }), [
      "Ann+News@x.test in ann@x.test",
    ]);
    // RFC 3463 §3.2
    assert.equal(await expand("eve@x.test", { ...world, mayRelay }), "550 5.1.1");
    assert.equal(await expand("postmaster", { ...world, mayRelay }), "550 5.1.1");
  }
});

Deno.test("expandRecipient: strangers do not relay, those who may do (RFC 5321 §3.6.2)", async () => {
  assert.equal(await expand("bob@out.test", {}), "550 5.7.1");
  assert.equal(await expand("bob@[192.0.2.1]", {}), "550 5.7.1");
  assert.equal(await expand("bob@[tag:x]", {}), "550 5.7.1");
  const ours = { mayRelay: true };
  assert.deepEqual(await expand("bob@out.test", ours), ["bob@out.test to out.test"]);
  assert.deepEqual(await expand("b@[192.0.2.1]", ours), ["b@[192.0.2.1] to [192.0.2.1]"]);
  assert.equal(await expand("bob@[tag:x]", ours), "550 5.1.2");
});

Deno.test("expandRecipient: aliases are followed to their ends, inside and outside (RFC 5321 §3.9)", async () => {
  const world = {
    users: ["ann@x.test", "bob@y.test"],
    aliases: {
      "all@x.test": ["team@x.test", "ANN@x.test", "gone@x.test", "Cy@Out.test"],
      "team@x.test": ["ann@x.test", "bob+team@y.test", "cy@out.test"],
      "lost@x.test": ["gone@x.test", "not an address"],
      "@z.test": ["@y.test"],
      "@w.test": ["bob@y.test"],
    },
  };
  assert.deepEqual(await expand("all@x.test", world), [
    "ANN@x.test in ann@x.test",
    "Cy@out.test to out.test by x.test",
    "bob+team@y.test in bob@y.test",
  ]);
  assert.equal(await expand("lost@x.test", world), "550 5.1.1");
  assert.deepEqual(await expand("bob+a@z.test", world), ["bob+a@y.test in bob@y.test"]);
  assert.equal(await expand("eve@z.test", world), "550 5.1.1");
  assert.deepEqual(await expand("anyone@w.test", world), ["bob@y.test in bob@y.test"]);
});

Deno.test("expandRecipient: the domain of the first alias forwards, not one on the way", async () => {
  const aliases = { "a@x.test": ["a@y.test"], "a@y.test": ["a@out.test"] };
  assert.deepEqual(await expand("a@x.test", { aliases }), ["a@out.test to out.test by x.test"]);
});

Deno.test("expandRecipient: an alias that names itself is its own mailbox, circles end", async () => {
  const world = {
    users: ["ann@x.test"],
    aliases: {
      "ann@x.test": ["ann@x.test", "ann@out.test"],
      "team@x.test": ["ann@x.test"],
      "ghost@x.test": ["GHOST@x.test"],
      "a@x.test": ["b@x.test"],
      "b@x.test": ["a@x.test", "cy@out.test"],
    },
  };
  const copies = new Set(["ann@x.test in ann@x.test", "ann@out.test to out.test by x.test"]);
  for (const name of ["ann", "ann+news", "team"]) {
    const recipients = await expand(`${name}@x.test`, world);
    assert.ok(Array.isArray(recipients), name);
    assert.deepEqual(new Set(recipients), copies, name);
  }
  assert.equal(await expand("ghost@x.test", world), "550 5.1.1");
  assert.deepEqual(await expand("a@x.test", world), ["cy@out.test to out.test by x.test"]);
});

Deno.test("expandRecipient: neither depth nor breadth is without end (RFC 3463 §3.5)", async () => {
  const chain = (length: number): World => ({
    users: ["ann@x.test"],
    aliases: Object.fromEntries(
      Array.from({ length }, (_, at) => [`a${at}@x.test`, [
        at === length - 1 ? "ann@x.test" : `a${at + 1}@x.test`,
      ]]),
    ),
  });
  assert.deepEqual(await expand("a0@x.test", chain(10)), ["ann@x.test in ann@x.test"]);
  const faults: AliasFault[] = [];
  assert.equal(await expand("a0@x.test", { ...chain(11), faults }), "550 5.2.4");
  const group = (size: number): World => ({
    aliases: {
      "all@x.test": ["all@x.test", "most@x.test", "last@out.test"],
      "most@x.test": Array.from({ length: size - 2 }, (_, at) => `u${at}@out.test`),
    },
    faults,
  });
  assert.equal((await expand("all@x.test", group(1_000))).length, 999);
  assert.equal(await expand("all@x.test", group(1_001)), "550 5.2.4");
  assert.deepEqual(faults, [
    { kind: "too_deep", alias: "a0@x.test" },
    { kind: "too_large", alias: "all@x.test" },
  ]);
});

Deno.test("expandRecipient: a list too large to be read is refused for good, wherever it stands", async () => {
  const faults: AliasFault[] = [];
  const world = {
    users: ["ann@x.test"],
    aliases: { "all@x.test": ["ann@x.test", "list@x.test"] },
    tooLarge: ["list@x.test"],
    faults,
  };
  for (const name of ["list", "list+news", "all"]) {
    assert.equal(await expand(`${name}@x.test`, world), "550 5.2.4", name);
  }
  assert.deepEqual(faults.map(({ kind, alias }) => `${kind} ${alias}`), [
    "too_large list@x.test",
    "too_large list+news@x.test",
    "too_large list@x.test",
  ]);
});

Deno.test("expandRecipient: a group with dead members goes to the rest, and is told of", async () => {
  const faults: AliasFault[] = [];
  const world = {
    users: ["ann@x.test"],
    aliases: {
      "all@x.test": ["gone@x.test", "ann@x.test", "not an address", "team@x.test", "gone@x.test"],
      "team@x.test": ["left@x.test", "gone@x.test"],
      "@y.test": ["@x.test"],
    },
    faults,
  };
  const dead = (alias: string, targets: readonly string[]) => ({
    kind: "dead_targets",
    alias,
    targets,
  });
  assert.deepEqual(await expand("all@x.test", world), ["ann@x.test in ann@x.test"]);
  assert.deepEqual(faults.splice(0), [
    dead("all@x.test", ["gone@x.test", "not an address"]),
    dead("team@x.test", ["left@x.test"]),
  ]);
  // RFC 3463 §3.2: nobody is left.
  assert.equal(await expand("team@x.test", world), "550 5.1.1");
  assert.deepEqual(faults.splice(0), [dead("team@x.test", ["left@x.test", "gone@x.test"])]);
  // A name that a client made up is no member of anything, nor is a sender who is gone.
  assert.equal(await expand("eve@y.test", world), "550 5.1.1");
  const back = forwardingPath("eve@x.test", { ...SRS, domain: "y.test" })!;
  assert.equal(await expand(back, world), "550 5.1.1");
  assert.deepEqual(faults, []);
});

Deno.test("expandRecipient: a bounce to a return path of ours finds the sender, a forged one nobody", async () => {
  const pathOf = (sender: string, nowMs = SRS.nowMs) =>
    forwardingPath(sender, { ...SRS, nowMs, domain: "x.test" })!;
  const signed = pathOf("eve@out.test");
  const catchAll = { users: ["ann@x.test"], aliases: { "@x.test": ["ann@x.test"] } };
  for (const world of [{ users: ["ann@x.test"] }, catchAll]) {
    const back = ["eve@out.test to out.test by x.test"];
    assert.deepEqual(await expand(signed, world), back);
    assert.deepEqual(await expand(signed.toLowerCase(), world), back);
    assert.equal(await expand(signed.replace("=eve@", "=adam@"), world), "550 5.1.1");
    assert.equal(await expand("SRS0=AAAA=AA=out.test=eve@x.test", world), "550 5.1.1");
    const old = pathOf("eve@out.test", SRS.nowMs - 22 * 24 * 3600 * 1000);
    assert.equal(await expand(old, world), "550 5.1.1");
    // Ours by now, so it is not sent out to come in again.
    assert.deepEqual(await expand(pathOf("ann@x.test"), world), ["ann@x.test in ann@x.test"]);
  }
  assert.deepEqual(await expand("srs0@x.test", catchAll), ["ann@x.test in ann@x.test"]);
  assert.equal(await expand(signed.replace("x.test", "other.test"), {}), "550 5.7.1");
  const first = pathOf("eve@out.test").replace("@x.test", "@first.test");
  assert.deepEqual(await expand(pathOf(first), catchAll), [`${first} to first.test by x.test`]);
});

Deno.test("expandRecipient: a directory that is away is said to be away", async () => {
  const mailbox = parseMailbox("ann@x.test");
  assert.ok(typeof mailbox !== "string");
  const away = new Error("away");
  let questions = 0;
  const lookup = (): Promise<DirectoryAnswer> =>
    questions++ === 0
      ? Promise.resolve({ kind: "alias", targets: ["bob@x.test"], user: null })
      : Promise.reject(away);
  const expanding = expandRecipient(mailbox, { lookup, mayRelay: true, takeBack: () => null });
  await assert.rejects(expanding, away);
});

Deno.test("routedRecipient: local mail is grouped by its domain, other mail by where it goes", () => {
  const forwardPath = "a@x.test";
  assert.deepEqual(routedRecipient({ kind: "local", domain: "x.test", user: "a", forwardPath }), {
    forwardPath,
    transport: "local",
    destination: "x.test",
  });
  assert.deepEqual(
    routedRecipient({ kind: "remote", forwardPath, destination: "x.test", forwardedBy: null }),
    { forwardPath, transport: "smtp", destination: "x.test" },
  );
});
