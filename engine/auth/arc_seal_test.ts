import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { authenticate } from "mailauth";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { pythonWithDkimpy } from "../../tests/fixtures/process.ts";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import { sealForward, type SealOptions } from "./arc_seal.ts";
import { dkimRecord } from "./dkim_key.ts";
import { mailauthResolver } from "./mailauth_resolver.ts";

const MESSAGE = "From: ann@example.org\r\nTo: list@forwarder.test\r\nSubject: x\r\n" +
  "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: <1@example.org>\r\n\r\ntext\r\n";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
const publicKey = createPublicKey(createPrivateKey(pem))
  .export({ format: "der", type: "spki" }).toString("base64");

const PYTHON = new URL("testdata/verify_arc.py", import.meta.url).pathname;
const record = dkimRecord({ algorithm: "rsa-sha256", publicKey });
const zone = {
  "s._domainkey.forwarder.test": { txt: [record] },
  "s._domainkey.second.test": { txt: [record] },
  "example.org": { txt: ["v=spf1 ip4:192.0.2.1 -all"] },
  "_dmarc.example.org": { txt: ["v=DMARC1; p=reject"] },
};
const resolver = new ZoneResolver(zone);
const keyRecords = {
  "s._domainkey.forwarder.test": record,
  "s._domainkey.second.test": record,
};

const OPTIONS: SealOptions = {
  clientAddress: "192.0.2.1",
  heloName: "mail.example.org",
  reversePath: "ann@example.org",
  hostname: "mx.forwarder.test",
  domain: "forwarder.test",
  selector: "s",
  privateKey: pem,
  resolver,
  timeoutMs: 5_000,
};

async function seal(text: string, options: Partial<SealOptions> = {}): Promise<string> {
  return await sealForward(Buffer.from(text, "latin1"), { ...OPTIONS, ...options });
}

/** What mailauth, strict about syntax, and dkimpy, where it is installed, say of the message's chain. */
async function chainOf(text: string): Promise<string> {
  const octets = Buffer.from(text, "utf8");
  const result = await byMailauth(octets);
  const byPython = await chainByPython(octets);
  if (byPython !== null) assert.equal(byPython, result);
  return result;
}

async function byMailauth(octets: Buffer): Promise<string> {
  const { arc } = await authenticate(octets, {
    ip: "192.0.2.9",
    helo: "x.test",
    sender: "ann@example.org",
    mta: "next.test",
    resolver: mailauthResolver(resolver),
    disableBimi: true,
    strict: true,
  });
  assert.ok(arc);
  return arc.status.result;
}

const python = await pythonWithDkimpy();
if (python === null) console.warn("dkimpy is missing: ARC chains are only checked by mailauth");

async function chainByPython(octets: Uint8Array): Promise<string | null> {
  if (python === null) return null;
  const child = new Deno.Command(python, {
    args: [PYTHON, JSON.stringify(keyRecords)],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(octets);
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)).cv;
}

function unfolded(fields: string): string {
  return fields.replace(/\r\n[ \t]+/g, " ");
}

Deno.test("sealForward: the chain holds, and tells what SPF and DMARC were (RFC 8617 §5.1)", async () => {
  const set = await seal(MESSAGE);
  assert.match(set, /^(?:ARC-[^]*?\r\n(?![ \t])){3}$/);
  const results = unfolded(set);
  assert.match(results, /ARC-Authentication-Results: i=1; mx\.forwarder\.test;.*spf=pass/);
  assert.match(results, /dkim=none/);
  assert.match(results, /dmarc=pass/);
  assert.match(results, /ARC-Seal: i=1;.*cv=none;.*d=forwarder\.test/);
  assert.equal(await chainOf(set + MESSAGE), "pass");
  // What the next host, and we ourselves, put on top leaves it whole.
  const trace = "Received: from x.test\r\n\tby y.test; Fri, 02 Jan 2026 03:04:06 +0000\r\n";
  const more =
    `${trace}DKIM-Signature: v=1; a=rsa-sha256; d=second.test; s=none; h=from; bh=; b=\r\n`;
  assert.equal(await chainOf(more + set + MESSAGE), "pass");
  assert.equal(await chainOf(set + MESSAGE.replace("text", "test")), "fail");
  assert.equal(await chainOf(set + MESSAGE.replace("Subject: x", "Subject: y")), "fail");
  assert.equal(await chainOf(set.replace("dmarc=pass", "dmarc=fail") + MESSAGE), "fail");
});

Deno.test("sealForward: a chain goes on, one that fails ends (RFC 8617 §5.1)", async () => {
  const first = await seal(MESSAGE) + MESSAGE;
  const second = await seal(first, { domain: "second.test" }) + first;
  assert.match(unfolded(second), /ARC-Seal: i=2;.*cv=pass;.*d=second\.test/);
  assert.match(unfolded(second), /ARC-Authentication-Results: i=2;.*arc=pass/);
  assert.equal(await chainOf(second), "pass");
  const third = await seal(second) + second;
  assert.match(unfolded(third), /ARC-Seal: i=3;/);
  assert.equal(await chainOf(third), "pass");

  assert.equal(await seal(first.replace("text", "test"), { domain: "second.test" }), "");
  assert.equal(await seal(first.replace("cv=none", "cv=fail"), { domain: "second.test" }), "");
  assert.equal(await seal(first.replace(/^ARC-Seal:[^]*?\r\n(?! )/, "")), "");
  // Not knowing is not failing: the chain may be good, and is left to the next host.
  const away = new ZoneResolver({
    ...zone,
    "s._domainkey.forwarder.test": { fails: "servfail" },
  });
  assert.equal(await seal(first, { domain: "second.test", resolver: away }), "");
});

Deno.test("sealForward: no name a client gives says anything of its own", async () => {
  const hostile = 'x"; dmarc=pass; spf=pass (\u00fc';
  for (
    const reversePath of ["", "j\u00fcrgen@xn--bcher-kva.example", '"a; dkim=pass"@example.org']
  ) {
    const options = { heloName: hostile, reversePath, clientAddress: "2001:db8::1" };
    const set = await seal(MESSAGE, options);
    assert.notEqual(set, "", reversePath);
    const results = unfolded(set).split("\r\n")[2]
      .replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/\([^()]*\)/g, "()");
    assert.match(results, /^ARC-Authentication-Results: i=1; mx\.forwarder\.test; dkim=none/);
    assert.doesNotMatch(results, /(?:spf|dkim|dmarc)=pass/, reversePath);
    assert.equal(await chainOf(set + MESSAGE), "pass", reversePath);
  }
  const named = await seal(MESSAGE, { heloName: "b\u00fccher.example", reversePath: "" });
  assert.match(unfolded(named), /smtp\.helo=xn--bcher-kva\.example/);
  assert.equal(await chainOf(named + MESSAGE), "pass");
});

Deno.test("sealForward: what it gives holds, whatever the message says of itself", async () => {
  const tag = fc.constantFrom(
    ...["i=@\u00fc.example.org", "i=a\u00e9@example.org", "d=example.org", "d=\u00fc.test", "s=s"],
    ...['s=";dmarc=pass', "a=rsa-sha256", "c=simple", "h=from", "bh=AA==", "b=AA==", "v=1", "l=0"],
  );
  const signature = fc.array(tag, { maxLength: 9 }).map((tags) => tags.join("; "));
  await fc.assert(
    fc.asyncProperty(signature, async (value) => {
      const text = Buffer.from(`DKIM-Signature: ${value}\r\n${MESSAGE}`, "utf8");
      const set = await sealForward(text, OPTIONS);
      if (set !== "") {
        assert.equal(await byMailauth(Buffer.concat([Buffer.from(set, "utf8"), text])), "pass");
      }
    }),
    { numRuns: 50, examples: [["v=1; a=rsa-sha256; d=\u00fc.test; s=s; h=from; bh=AA==; b=AA=="]] },
  );
});

Deno.test("sealForward: what cannot be judged in time or at a bounded cost goes on unsealed", async () => {
  const silent = new Proxy(resolver, { get: () => () => new Promise(() => {}) });
  assert.equal(await seal(MESSAGE, { resolver: silent, timeoutMs: 20 }), "");
  const throwing = new Proxy(resolver, {
    get: () => () => {
      throw new Error("broken");
    },
  });
  assert.equal(typeof await seal(MESSAGE, { resolver: throwing }), "string");
  assert.equal(await seal(MESSAGE, { privateKey: "no key" }), "");
  const signature = "DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s; h=from; bh=AA==; b=AA==\r\n";
  assert.notEqual(await seal(signature.repeat(10) + MESSAGE), "");
  assert.equal(await seal(signature.repeat(11) + MESSAGE), "");
  assert.equal(await seal(`X: ${"x".repeat(300_000)}\r\n${MESSAGE}`), "");
  assert.equal(await seal(""), "");
  assert.equal(await seal("Subject: no author\r\n\r\n"), "");
});

/** What sealing gave, and the longest time in which nothing else could happen on the thread. */
async function blockedMs(
  octets: Uint8Array,
): Promise<{ readonly set: string; readonly ms: number }> {
  let ms = 0;
  let lastMs = performance.now();
  const look = () => {
    const nowMs = performance.now();
    ms = Math.max(ms, nowMs - lastMs);
    lastMs = nowMs;
  };
  const timer = setInterval(look, 0);
  const set = await sealForward(octets, OPTIONS);
  look();
  clearInterval(timer);
  return { set, ms };
}

Deno.test("sealForward: no stranger's message keeps the thread from its other sessions", async (test) => {
  const fill = (text: string, octets: number) => text.repeat(Math.ceil(octets / text.length));
  const signed = (tags: string) =>
    `DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s; h=from; bh=AA==; b=AA==; ${tags}\r\n`;
  const lengths = (count: number) =>
    Array.from({ length: count }, (_, n) => signed(`c=relaxed/relaxed; l=${n + 9}`)).join("");
  const mib = 1024 * 1024;
  const heavy = lengths(2) + signed("c=simple/simple");
  const messages: Record<string, readonly [head: string, body: string, isSealed: boolean]> = {
    "lines to mend": [heavy, fill("a \t b \t\r\n", 8 * mib), true],
    "short lines to mend": [heavy, fill("\ta\r\n", 8 * mib), true],
    "a run of spaces": [heavy, fill(" ", 8 * mib) + "x\r\n", true],
    "a run of tabs": [heavy, fill("\t", 8 * mib) + "x\r\n", true],
    "one line": [heavy, fill("x", 8 * mib) + "\r\n", true],
    "empty lines": [heavy, fill("\r\n", 8 * mib) + "x\r\n", true],
    "a large attachment": [
      signed("c=simple"),
      fill("QWxsIHRoZSBsb25nIGxpbmVz\r\n", 25 * mib),
      true,
    ],
    "a length for each signature": [lengths(10), fill("x\r\n", 8 * mib), false],
    "a tag of spaces": [signed(`x=a${fill(" ", 200_000)}b`), "x\r\n", false],
    "folded spaces": [signed(`x=a${fill(" \r\n", 20_000)} b`), "x\r\n", false],
    "a name of spaces": [`X${fill(" ", 20_000)}y: z\r\n`, "x\r\n", false],
    "many fields": [fill("a:\r\n", 250_000), "x\r\n", false],
    "many words": [`Received: ${fill("a ", 25_000)}\r\n`, "x\r\n", true],
  };
  await seal(MESSAGE);
  for (const [name, [head, body, isSealed]] of Object.entries(messages)) {
    await test.step(name, async () => {
      const octets = Buffer.from(
        `${head}${MESSAGE.slice(0, MESSAGE.indexOf("\r\n\r\n"))}\r\n\r\n${body}`,
      );
      const { set, ms } = await blockedMs(octets);
      assert.equal(set !== "", isSealed);
      // Tens are usual; what grew with the square, or line by line, would take many thousands.
      assert.ok(ms < 1_500, `${Math.round(ms)} ms`);
    });
  }
});

Deno.test("sealForward: bodies are hashed as mailauth does, in each form and length (RFC 6376 §3.4)", async () => {
  const piece = fc.constantFrom("a", " ", "\t", "\r\n", "\r\n\r\n", " \r\n", "\xe4");
  const form = fc.constantFrom("relaxed/relaxed", "relaxed/simple", "simple/simple", "simple");
  const arbitraries = [fc.array(piece, { maxLength: 30 }), form, fc.option(fc.nat(40))] as const;
  await fc.assert(
    fc.asyncProperty(...arbitraries, async (pieces, canonicalization, length) => {
      const limit = length === null ? "" : ` l=${length};`;
      const signature = "DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s; h=from; b=AA==; " +
        `c=${canonicalization};${limit} bh=`;
      const text = MESSAGE.slice(0, MESSAGE.indexOf("text")) + pieces.join("");
      const { results: [{ bodyHash, status }] } = await dkimVerify(
        Buffer.from(`${signature}AA==\r\n${text}`, "latin1"),
      );
      const set = await seal(`${signature}${bodyHash}\r\n${text}`);
      assert.doesNotMatch(unfolded(set), /body hash did not verify/);
      const undersized = /\(undersized signature: (\d+) bytes/.exec(unfolded(set))?.[1];
      assert.equal(Number(undersized ?? 0), status.underSized ?? 0);
      assert.equal(
        await byMailauth(Buffer.from(set + `${signature}${bodyHash}\r\n${text}`, "latin1")),
        "pass",
      );
    }),
    { numRuns: 60 },
  );
});
