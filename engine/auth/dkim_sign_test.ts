import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { pythonWithDkimpy } from "../../tests/fixtures/process.ts";
import { openSslSigners } from "../crypto/ffi_openssl.ts";
import { openNodeSigner } from "../crypto/node_signer.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { dkimRecord, dkimRecordName, generateSigningKey, txtStrings } from "./dkim_key.ts";
import { type SigningKey, signMessage } from "./dkim_sign.ts";

const DOMAIN = "example.org";
const MIME = new URL("../../../shared/data/mime/", import.meta.url);
const PYTHON = new URL("testdata/verify.py", import.meta.url).pathname;

const open = openSslSigners(openNodeSigner) ?? openNodeSigner;
const records = new Map<string, string>();
const keys: SigningKey[] = await Promise.all(
  (["rsa-sha256", "ed25519-sha256"] as const).map(async (algorithm) => {
    const { privateKey, publicKey } = await generateSigningKey(algorithm);
    const selector = algorithm.slice(0, 3);
    records.set(dkimRecordName(DOMAIN, selector), dkimRecord({ algorithm, publicKey }));
    return { domain: DOMAIN, selector, signer: open(algorithm, privateKey) };
  }),
);

async function sign(text: string): Promise<string> {
  const octets = Buffer.from(text, "latin1");
  const options = { openKeys: () => keys, nowMs: Date.now() };
  return await signMessage(octets, readHeaderSection(octets), options) + text;
}

const resolver = (name: string, type: string) => {
  const record = records.get(name);
  if (type === "TXT" && record !== undefined) return Promise.resolve([[...txtStrings(record)]]);
  return Promise.reject(Object.assign(new Error("not found"), { code: "ENOTFOUND" }));
};

/** Each signature's result by mailauth, in the order of the fields. */
async function byMailauth(message: string): Promise<string[]> {
  const { results } = await dkimVerify(Buffer.from(message, "latin1"), { resolver });
  return results.map((result: { status: { result: string } }) => result.status.result);
}

const python = await pythonWithDkimpy();

async function byPython(message: string): Promise<string[] | null> {
  if (python === null) return null;
  const { success, stdout, stderr } = await pythonRun(python, message);
  const text = new TextDecoder().decode(success ? stdout : stderr);
  assert.ok(success, text);
  return JSON.parse(text);
}

async function pythonRun(python: string, message: string) {
  const child = new Deno.Command(python, {
    args: [PYTHON, JSON.stringify(Object.fromEntries(records))],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(Buffer.from(message, "latin1"));
  await writer.close();
  return await child.output();
}

const MESSAGES: Readonly<Record<string, string>> = {
  plain: "From: ann@example.org\r\nTo: bob@example.net\r\nSubject: x\r\n\r\ntext\r\n",
  folded: "From:\r\n Ann\r\n\t<ann@example.org>\r\nSubject:  a \t b\r\n  c \r\n\r\n a \t b \r\n",
  "no body": "From: ann@example.org\r\nSubject: x\r\n\r\n",
  "no empty line": "From: ann@example.org\r\nSubject: x\r\n",
  "empty lines": "From: ann@example.org\r\n\r\ntext\r\n\r\n \r\n\r\n",
  "no line end": "From: ann@example.org\r\n\r\ntext",
  "8 bit": "From: \xc3\xa4 <ann@example.org>\r\nSubject: \xe4\r\n\r\n\xff\xfe  \t\xe4\r\n",
  repeated:
    "From: ann@example.org\r\nResent-From: a@x\r\nX: y\r\nResent-From: b@x\r\nList-Id: <l.x>\r\n\r\n\r\n",
  large: `From: ann@example.org\r\n\r\n${"A line with  two spaces\t\r\n".repeat(9_000)}`,
};

Deno.test("signMessage: signatures of both keys are good, by mailauth (RFC 6376, RFC 8463)", async () => {
  for (const [name, text] of Object.entries(MESSAGES)) {
    assert.deepEqual(await byMailauth(await sign(text)), ["pass", "pass"], name);
  }
});

Deno.test("signMessage: signatures of both keys are good, by dkimpy", async () => {
  for (const [name, text] of Object.entries(MESSAGES)) {
    const verdicts = await byPython(await sign(text));
    if (verdicts === null) return console.warn("skipped: python3-dkim is not installed");
    assert.deepEqual(verdicts, ["pass", "pass"], name);
  }
});

Deno.test("signMessage: what a reader sees cannot be changed behind the signature", async () => {
  const signed = await sign(MESSAGES.plain);
  const changes: Record<string, string> = {
    body: signed.replace("text", "test"),
    "a line more": signed + "more\r\n",
    subject: signed.replace("Subject: x", "Subject: y"),
    from: signed.replace("From: ann@", "From: eve@"),
    "a second From": `From: eve@example.net\r\n${signed}`,
    "a second Subject": `Subject: y\r\n${signed}`,
    "a Reply-To": `Reply-To: eve@example.net\r\n${signed}`,
    "a Content-Type": `Content-Type: text/html\r\n${signed}`,
    "no To": signed.replace("To: bob@example.net\r\n", ""),
  };
  for (const [name, changed] of Object.entries(changes)) {
    assert.notEqual(changed, signed, name);
    const verdicts = [await byMailauth(changed), await byPython(changed) ?? []].flat();
    assert.ok(verdicts.length >= 2 && !verdicts.includes("pass"), `${name}: ${verdicts}`);
  }
});

Deno.test("signMessage: white space and new trace fields do not matter", async () => {
  const signed = await sign(MESSAGES.folded);
  const relayed = `Received: from a by b;\r\n\tFri, 02 Jan 2026 03:04:05 +0000\r\n${signed}`
    .replace("Subject:  a \t b\r\n  c \r\n", "SUBJECT: a b c\r\n") + "\r\n\r\n";
  assert.deepEqual(await byMailauth(relayed), ["pass", "pass"]);
});

Deno.test("signMessage: lines stay short", async () => {
  const signed = await sign(MESSAGES.plain);
  const own = signed.slice(0, signed.indexOf("From: "));
  assert.ok(own.split("\r\n").every((line) => line.length <= 78), own);
  assert.equal(own.match(/^DKIM-Signature: /gm)?.length, 2);
  assert.doesNotMatch(own, / \r\n|\bl=/);
});

Deno.test("signMessage: what no signature would hold on stays unsigned", async () => {
  const from = "From: ann@example.org\r\n";
  const messages: Record<string, string> = {
    "no From": "Subject: x\r\n\r\ntext\r\n",
    "a field too often": `${from}${"List-Id: <l.x>\r\n".repeat(201)}\r\ntext\r\n`,
    "a header section beyond the bound": `${from}X: ${"x".repeat(300_000)}\r\n\r\ntext\r\n`,
    "a line without a colon": `${from}Subject: x\r\nno field\r\n\r\ntext\r\n`,
    "a name of two words": `${from}Subject: x\r\nno field: y\r\n\r\ntext\r\n`,
    "an envelope line of mbox": `From ann@x Fri Jan  2 03:04:05 2026\r\n${from}\r\ntext\r\n`,
    "a folded line on top": ` x\r\n${from}\r\ntext\r\n`,
    "a name folded": `${from}Subject\r\n : x\r\n\r\ntext\r\n`,
  };
  for (const [name, text] of Object.entries(messages)) assert.equal(await sign(text), text, name);
  const often = `${from}${"List-Id: <l.x>\r\n".repeat(200)}\r\ntext\r\n`;
  assert.deepEqual(await byMailauth(await sign(often)), ["pass", "pass"]);
});

Deno.test("signMessage: keys are opened when the body is hashed, for signing there and then", async () => {
  const octets = Buffer.from(MESSAGES.large + "x".repeat(1024 * 1024));
  let isOpened = false;
  const openKeys = () => {
    isOpened = true;
    return keys;
  };
  const signing = signMessage(octets, readHeaderSection(octets), { openKeys, nowMs: 0 });
  assert.equal(isOpened, false);
  assert.notEqual(await signing, "");
  assert.equal(isOpened, true);
});

Deno.test({
  name: "signMessage: real messages verify",
  ignore: !existsSync(MIME),
  async fn() {
    const names = readdirSync(MIME, { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(eml|txt|msg)$/.test(name)).sort();
    let verified = 0;
    for (const name of names) {
      const text = readFileSync(new URL(name, MIME)).toString("latin1");
      const isMail = /^From:/im.test(text.slice(0, text.indexOf("\r\n\r\n") + 2)) &&
        text.length < 200_000 && !/[^\r]\n|\r[^\n]|\0/.test(text) &&
        !/^DKIM-Signature/im.test(text);
      if (!isMail || verified === 60) continue;
      const signed = await sign(text);
      // Some have lines that are no fields.
      if (signed === text) continue;
      const verdicts = await byMailauth(signed);
      // mailauth alone refuses header sections it cannot read; none of ours may be called forged.
      assert.ok(verdicts.every((verdict) => verdict === "pass"), `${name}: ${verdicts}`);
      verified++;
    }
    assert.ok(verified > 20, `only ${verified} messages`);
  },
});
