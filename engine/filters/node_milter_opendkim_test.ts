/** Against a real milter: OpenDKIM verifies what it is told, to the octet. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { dkimRecord, dkimRecordName, generateSigningKey } from "../auth/dkim_key.ts";
import { signMessage } from "../auth/dkim_sign.ts";
import { openNodeSigner } from "../crypto/node_signer.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { NodeMilter } from "./node_milter.ts";
import { filterInput } from "./testdata/filter_input.ts";
import { startFilterProgram } from "./testdata/program_filter.ts";

const DOMAIN = "example.org";

Deno.test("NodeMilter: OpenDKIM finds signatures good, and takes out forged results", async () => {
  const algorithm = "rsa-sha256";
  const { privateKey, publicKey } = await generateSigningKey(algorithm);
  await using server = await startFilterProgram({
    path: "/usr/sbin/opendkim",
    stopSignal: "SIGKILL",
    prepare: async (dir) => {
      const path = `${dir}/opendkim.sock`;
      const record = dkimRecord({ algorithm, publicKey });
      await Deno.writeTextFile(`${dir}/dns`, `${dkimRecordName(DOMAIN, "s")} ${record}\n`);
      await Deno.writeTextFile(
        `${dir}/opendkim.conf`,
        [
          ...["Mode v", "Syslog no", "Background no", "AuthservID mx.test"],
          ...["AlwaysAddARHeader yes", `TestDNSData file:${dir}/dns`, ""],
        ].join("\n"),
      );
      return {
        args: ["-f", "-x", `${dir}/opendkim.conf`, "-p", `local:${path}`],
        address: { transport: "unix", path },
      };
    },
  });
  if (server === null) return;
  using milter = new NodeMilter({
    address: server.address,
    hostname: "mx.test",
    now: () => performance.now(),
  });
  const check = async (text: string) => {
    const input = filterInput(text);
    const opinion = await milter.check(input, AbortSignal.timeout(10_000));
    assert.ok(opinion.kind === "passed", JSON.stringify(opinion));
    const { onTop, removed } = opinion.changes;
    return {
      onTop,
      removed: removed.map(({ startOctet, endOctet }) =>
        Buffer.from(input.octets.subarray(startOctet, endOctet)).toString("latin1")
      ),
    };
  };
  const signer = openNodeSigner(algorithm, privateKey);
  const sign = async (text: string) => {
    const octets = Buffer.from(text, "latin1");
    const openKeys = () => [{ domain: DOMAIN, selector: "s", signer }];
    const options = { openKeys, nowMs: Date.now() };
    return await signMessage(octets, readHeaderSection(octets), options) + text;
  };
  const text = [
    ...["From: Ann  <ann@example.org>", "To: bob@example.net,", "\tcarl@example.net"],
    ...["Subject:no space before  this", "Message-ID: <1@example.org>", ""],
    `The  text. \r\n${"line of a body that takes several packets\r\n".repeat(8_000)}`,
  ].join("\r\n");

  const good = await check(await sign(text));
  assert.match(
    good.onTop,
    /^Authentication-Results: mx\.test;\r\n\tdkim=pass [^]*header\.d=example\.org/,
  );
  assert.ok(good.onTop.endsWith("\r\n"));
  const changed = await check((await sign(text)).replace("The  text.", "The  test."));
  assert.match(changed.onTop, /dkim=fail/);
  const forged = "Authentication-Results: mx.test;\r\n dkim=pass header.d=bank.test\r\n";
  const other = "Authentication-Results: elsewhere.test; dkim=pass\r\n";
  const unsigned = await check(`${other}${forged}From: ann@example.org\r\n\r\nhello\r\n`);
  assert.match(unsigned.onTop, /dkim=none/);
  assert.deepEqual(unsigned.removed, [forged]);
  const signed = await sign(text);
  const all = await Promise.all(Array.from({ length: 12 }, () => check(signed)));
  assert.ok(all.every(({ onTop }) => onTop.includes("dkim=pass")));
  // OpenDKIM ends with a word after which libmilter takes no new client.
  assert.equal(milter.idleCount, 0);
});
