import assert from "node:assert/strict";
import { findSecretKey, parseSecretKey, readSecretKey } from "./secret_key.ts";

const HEX = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
const OCTETS = Uint8Array.fromHex(HEX);

async function inDirectory(run: (directory: string) => Promise<void> | void): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "sluice-key-" });
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("parseSecretKey: takes 32 octets as base64 or hexadecimal, and nothing else", () => {
  for (const text of [HEX, OCTETS.toBase64(), OCTETS.toBase64().replace("=", ""), ` ${HEX}\n`]) {
    assert.deepEqual(parseSecretKey(text), OCTETS);
  }
  for (const text of ["", "secret", HEX.slice(2), `${HEX}00`, OCTETS.slice(1).toBase64()]) {
    assert.equal(parseSecretKey(text), null, text);
  }
});

Deno.test("readSecretKey: the environment's key wins and leaves no file", () =>
  inDirectory((directory) => {
    const dataDir = `${directory}/data`;
    assert.deepEqual(readSecretKey({ fromEnvironment: HEX, dataDir }), OCTETS);
    assert.throws(() => Deno.statSync(dataDir), Deno.errors.NotFound);
  }));

Deno.test("findSecretKey: finds the key there is, and makes none", () =>
  inDirectory((directory) => {
    const source = { fromEnvironment: null, dataDir: `${directory}/data` };
    assert.equal(findSecretKey(source), null);
    assert.throws(() => Deno.statSync(source.dataDir), Deno.errors.NotFound);
    assert.deepEqual(findSecretKey({ ...source, fromEnvironment: HEX }), OCTETS);
    const key = readSecretKey(source);
    assert.deepEqual(findSecretKey(source), key);
  }));

Deno.test("readSecretKey: is made once, for its owner only, and read from then on", () =>
  inDirectory((directory) => {
    const source = { fromEnvironment: null, dataDir: `${directory}/data` };
    const key = readSecretKey(source);
    assert.equal(key.length, 32);
    assert.deepEqual(readSecretKey(source), key);
    const path = `${source.dataDir}/secret.key`;
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.deepEqual(parseSecretKey(Deno.readTextFileSync(path)), key);
    assert.deepEqual([...Deno.readDirSync(source.dataDir)].map(({ name }) => name), ["secret.key"]);
  }));

Deno.test("readSecretKey: processes that start together agree on one", () =>
  inDirectory(async (directory) => {
    const module = new URL("./secret_key.ts", import.meta.url);
    const source = JSON.stringify({ fromEnvironment: null, dataDir: directory });
    const code = `import { readSecretKey } from "${module}"; ` +
      `console.log(readSecretKey(${source}).toHex());`;
    const starters = Array.from({ length: 4 }, () =>
      new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--quiet",
          "--no-check",
          "--allow-read",
          "--allow-write",
          `data:,${encodeURIComponent(code)}`,
        ],
      }).output());
    const said = (await Promise.all(starters)).map(({ stdout, stderr }) =>
      new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)
    );
    assert.match(said[0], /^[0-9a-f]{64}\n$/);
    assert.equal(new Set(said).size, 1, said.join(""));
  }));

Deno.test("readSecretKey: a wrong text is an error that does not show it, and the file stays", () =>
  inDirectory((directory) => {
    const wrong = "hunter2";
    const isReadable = (place: RegExp) => (error: Error) =>
      place.test(error.message) && !error.message.includes(wrong) && !error.message.includes("\n");
    assert.throws(
      () => readSecretKey({ fromEnvironment: wrong, dataDir: directory }),
      isReadable(/^SECRET_KEY: expected 32 octets/),
    );
    Deno.writeTextFileSync(`${directory}/secret.key`, wrong);
    assert.throws(
      () => readSecretKey({ fromEnvironment: null, dataDir: directory }),
      isReadable(/secret\.key: expected 32 octets/),
    );
    assert.equal(Deno.readTextFileSync(`${directory}/secret.key`), wrong);
    Deno.removeSync(`${directory}/secret.key`);
    Deno.writeTextFileSync(`${directory}/file`, "");
    assert.throws(
      () => readSecretKey({ fromEnvironment: null, dataDir: `${directory}/file` }),
      isReadable(/cannot be/),
    );
  }));
