import assert from "node:assert/strict";
import { readdirSync, renameSync, statSync } from "node:fs";

function start(root: string, mode: string): Deno.ChildProcess {
  const script = new URL("testdata/deliver_many.ts", import.meta.url).pathname;
  const flags = ["run", "--no-check", `--allow-read=${root}`, `--allow-write=${root}`];
  return new Deno.Command(Deno.execPath(), {
    args: [...flags, script, root, mode],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Ids the child said it delivered; with `atMost`, kills it once it said that many. */
async function listen(child: Deno.ChildProcess, atMost = Infinity): Promise<Set<string>> {
  let said = "";
  let killed = false;
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += piece;
    if (!killed && said.split("\n").length > atMost) {
      killed = true;
      child.kill("SIGKILL");
    }
  }
  await child.status;
  return new Set([...said.matchAll(/^(\d+) delivered$/gm)].map((match) => match[1]));
}

function copies(root: string): { id: string; path: string }[] {
  return [0, 1, 2].flatMap((user) =>
    ["new", "cur"].flatMap((folder) => {
      const path = `${root}/example.org/user${user}/${folder}`;
      return readdirSync(path).map((name) => ({
        id: /_(\d+)\./.exec(name)![1],
        path: `${path}/${name}`,
      }));
    })
  );
}

Deno.test("NodeMaildir: killed amid deliveries, it has lost none it confirmed, and repeats leave no double", async () => {
  const root = await Deno.makeTempDir({ prefix: "sluice-maildir-crash-" });
  try {
    const confirmed = await listen(start(root, "first"), 100);
    assert.ok(confirmed.size >= 100 && confirmed.size < 500, `${confirmed.size} confirmed`);
    const before = copies(root);
    const ids = new Set(before.map((copy) => copy.id));
    for (const id of confirmed) assert.ok(ids.has(id), `${id} is lost`);
    // A reader takes every other message before the attempts are repeated.
    before.forEach(({ path }, at) => {
      if (at % 2 === 0) renameSync(path, path.replace("/new/", "/cur/") + ":2,S");
    });
    assert.equal((await listen(start(root, "repeated"))).size, 500);
    const after = copies(root);
    assert.equal(after.length, 500);
    assert.equal(new Set(after.map((copy) => copy.id)).size, 500);
    for (const { path } of after) {
      assert.equal(statSync(path).size, Number(/S=(\d+)/.exec(path)![1]));
    }
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
