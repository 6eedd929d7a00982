import assert from "node:assert/strict";
import { until } from "../../tests/fixtures/process.ts";
import { makeSelfSigned } from "../crypto/self_signed.ts";
import type { Certificate } from "../smtp/certificate_choice.ts";
import { certificateFiles, readCertificate, watchCertificate } from "./node_certificate.ts";

async function written(directory: string) {
  const files = {
    certPath: `${directory}/cert.pem`,
    keyPath: `${directory}/key.pem`,
    isSelfSigned: false,
  };
  const write = async (pair: Partial<Certificate>) => {
    if (pair.cert !== undefined) await Deno.writeTextFile(files.certPath, pair.cert);
    if (pair.key !== undefined) await Deno.writeTextFile(files.keyPath, pair.key);
  };
  const [first, second] = await Promise.all(
    [1, 2].map(() => makeSelfSigned(["mail.test"], { nowMs: Date.now() })),
  );
  return { files, write, first, second };
}

Deno.test("readCertificate: names the file that is not what it should be", async () => {
  const directory = await Deno.makeTempDir();
  const { files, write, first, second } = await written(directory);
  await write(first);
  assert.deepEqual(await readCertificate(files), first);
  await write({ key: second.key });
  await assert.rejects(
    readCertificate(files),
    /key\.pem is not the key of the certificate in .*cert\.pem/,
  );
  await write({ key: "nonsense" });
  await assert.rejects(readCertificate(files), /key\.pem does not hold/);
  await write({ ...first, cert: "nonsense" });
  await assert.rejects(readCertificate(files), /cert\.pem does not hold/);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("watchCertificate: a pair half replaced is left alone until its other half is there", async () => {
  const directory = await Deno.makeTempDir();
  const { files, write, first, second } = await written(directory);
  await write(first);
  const changes: Certificate[] = [];
  const errors: string[] = [];
  {
    using _watch = watchCertificate(files, {
      current: first,
      now: Date.now,
      onChange: (certificate) => changes.push(certificate),
      onError: (error) => errors.push(String(error)),
      checkMs: 10,
    });
    await write({ cert: second.cert });
    await until(() => errors.length > 0);
    assert.deepEqual(changes, []);
    await write({ key: second.key });
    await until(() => changes.length > 0);
    // The same key under a renewed certificate, and back again, are changes too.
    await write(first);
    await until(() => changes.length > 1);
  }
  assert.deepEqual(changes, [second, first]);
  // At each replacement once at the most, however often it was looked at.
  assert.ok(errors.length <= 4 * changes.length, `${errors}`);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("certificateFiles: makes a pair of our own where there is none, or one that is no pair", async () => {
  const dataDir = await Deno.makeTempDir();
  const options = {
    certPath: null,
    keyPath: null,
    dataDir,
    names: ["mail.test"],
    nowMs: Date.now(),
  };
  const files = await certificateFiles(options);
  const made = await readCertificate(files);
  assert.deepEqual(await readCertificate(await certificateFiles(options)), made);
  await Deno.writeTextFile(files.keyPath, "cut off");
  assert.notDeepEqual(await readCertificate(await certificateFiles(options)), made);
  assert.equal((await Deno.stat(files.keyPath)).mode! & 0o777, 0o600);
  await Deno.remove(dataDir, { recursive: true });
});
