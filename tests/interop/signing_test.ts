/** What a user submits leaves signed, and dkimpy, OpenDKIM and mailauth find the signatures good. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { txtStrings } from "../../engine/auth/dkim_key.ts";
import { ScriptedServer, smtpScript } from "../../engine/delivery/testdata/scripted_server.ts";
import { startNsd } from "../fixtures/nsd.ts";
import { installed, until } from "../fixtures/process.ts";
import { startServer } from "../fixtures/server.ts";
import { SmtpClient } from "../fixtures/smtp_client.ts";
import { startSink } from "../fixtures/smtp_sink.ts";

const DOMAIN = "example.org";
const DNS_HOST = "127.0.0.53";
const PYTHON = new URL("../../engine/auth/testdata/verify.py", import.meta.url).pathname;

interface KeyListing {
  readonly algorithm: "rsa-sha256" | "ed25519-sha256";
  readonly record: { readonly name: string; readonly value: string };
}

type Records = ReadonlyMap<string, string>;

async function run(command: string, args: string[], stdin: Uint8Array) {
  const child = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(stdin).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

/** One verdict a signature, `pass` or not. */
const VERIFIERS: Readonly<
  Record<string, (message: Buffer, records: Records) => Promise<readonly string[] | null>>
> = {
  mailauth: async (message, records) => {
    const { results } = await dkimVerify(message, {
      resolver: (name, type) => {
        const record = records.get(name);
        if (type === "TXT" && record !== undefined) return Promise.resolve([[record]]);
        return Promise.reject(Object.assign(new Error("not found"), { code: "ENOTFOUND" }));
      },
    });
    return results.map((result: { status: { result: string } }) => result.status.result);
  },
  dkimpy: async (message, records) => {
    if (await installed(["/usr/bin/dkimverify"]) === null) return null;
    const json = JSON.stringify(Object.fromEntries(records));
    const { code, out, error } = await run("/usr/bin/python3", [PYTHON, json], message);
    assert.equal(code, 0, error);
    return JSON.parse(out);
  },
  // It takes its DNS from the system's file, which it is shown another version of; RSA is all it knows.
  "opendkim-testmsg": async (message) => {
    const program = await installed(["/usr/sbin/opendkim-testmsg"]);
    if (program === null || Deno.uid() !== 0) return null;
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, `nameserver ${DNS_HOST}\n`);
      const script = `mount --bind ${file} /etc/resolv.conf && exec ${program} -C`;
      const { code, error } = await run("unshare", ["-m", "sh", "-c", script], message);
      if (/unshare|mount/.test(error)) return null;
      return [code === 0 ? "pass" : `fail: ${error}`];
    } finally {
      await Deno.remove(file);
    }
  },
};

async function submit(port: number, password: string, text: string): Promise<void> {
  using client = await SmtpClient.connect(port, { tls: true });
  const plain = Buffer.from(`\0admin@${DOMAIN}\0${password}`).toString("base64");
  const commands = ["", "EHLO client.test", `AUTH PLAIN ${plain}`, `MAIL FROM:<admin@${DOMAIN}>`];
  for (const command of [...commands, "RCPT TO:<bob@elsewhere.test>", "DATA"]) {
    const [reply] = await client.exchange(command === "" ? "" : `${command}\r\n`, 1);
    assert.match(reply, /^[23]/, command);
  }
  const [reply] = await client.exchange(`${text}.\r\n`, 1);
  assert.match(reply, /^250/);
}

Deno.test("signing: what a user sends bears two good signatures, and changes break them", async (t) => {
  await using sink = await startSink();
  await using server = await startServer({
    SERVER_DOMAIN: DOMAIN,
    SMARTHOST: `smtp://127.0.0.1:${sink.port}`,
  });
  const keys: KeyListing[] = JSON.parse(await server.cli("dkim", "list", DOMAIN, "--json"));
  assert.deepEqual(keys.map(({ algorithm }) => algorithm).sort(), ["ed25519-sha256", "rsa-sha256"]);
  const records = new Map(keys.map(({ record }) => [record.name, record.value]));
  const lines = [...records].map(([name, value]) =>
    `${name}. 60 IN TXT ${txtStrings(value).map((part) => `"${part}"`).join(" ")}`
  );
  const soa = `@ 60 IN SOA ns.${DOMAIN}. x.${DOMAIN}. 1 60 60 60 60`;
  await using _nsd = await startNsd({
    zones: { [DOMAIN]: [`$ORIGIN ${DOMAIN}.`, soa, `@ 60 IN NS ns`, ...lines, ""].join("\n") },
    host: DNS_HOST,
    port: 53,
  }).catch(() => null);

  await submit(
    server.ports.smtps,
    server.password,
    `From: Admin <admin@${DOMAIN}>\r\nTo: bob@elsewhere.test\r\nSubject: signed\r\n\r\nThe  text.\r\n`,
  );
  await until(() => sink.messages.length > 0);
  const [{ octets }] = sink.messages;
  const text = octets.toString("latin1");
  assert.equal(text.match(/^DKIM-Signature: /gm)?.length, 2);
  const changed: Record<string, string> = {
    "a changed body": text.replace("The  text.", "The  test."),
    "a changed subject": text.replace("Subject: signed", "Subject: sighed"),
    "a second From": text.replace("From: Admin", "From: eve@example.net\r\nFrom: Admin"),
  };
  for (const [name, verify] of Object.entries(VERIFIERS)) {
    await t.step(name, async () => {
      const verdicts = await verify(octets, records);
      if (verdicts === null) return console.warn(`skipped ${name}: it cannot run here`);
      assert.ok(
        verdicts.length > 0 && verdicts.every((verdict) => verdict === "pass"),
        `${verdicts}`,
      );
      for (const [what, version] of Object.entries(changed)) {
        assert.notEqual(version, text);
        const after = await verify(Buffer.from(version, "latin1"), records);
        assert.ok(!after!.includes("pass"), `${what}: ${after}`);
      }
    });
  }
});

Deno.test("signing: reports of a host leave signed by the domain it belongs to", async () => {
  const refusing = smtpScript({
    extensions: [],
    answer: (command) => command.startsWith("RCPT") ? "550 5.1.1 who?" : undefined,
  });
  await using refuser = await ScriptedServer.start(refusing.run);
  await using server = await startServer({
    SERVER_DOMAIN: DOMAIN,
    SERVER_HOSTNAME: `mx.${DOMAIN}`,
    SMARTHOST: `smtp://127.0.0.1:${refuser.port}`,
  });
  assert.match(server.log(), /RSA signatures come from (?:libcrypto|Deno)/);
  const keys: KeyListing[] = JSON.parse(await server.cli("dkim", "list", DOMAIN, "--json"));
  const records = new Map(keys.map(({ record }) => [record.name, record.value]));
  await submit(server.ports.smtps, server.password, `From: admin@${DOMAIN}\r\n\r\ntext\r\n`);
  const folder = `${server.dataDir}/mail/${DOMAIN}/admin/new`;
  const delivered = () => {
    try {
      return [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`);
    } catch {
      return [];
    }
  };
  await until(() => delivered().length > 0);
  const report = await Deno.readTextFile(delivered()[0]);
  assert.match(
    report,
    new RegExp(`^From: Mail Delivery System <MAILER-DAEMON@mx\\.${DOMAIN}>`, "m"),
  );
  const message = Buffer.from(report.replace(/\r?\n/g, "\r\n"));
  assert.deepEqual(await VERIFIERS.mailauth(message, records), ["pass", "pass"]);
});
