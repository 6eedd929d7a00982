import assert from "node:assert/strict";
import type { Command } from "./command.ts";
import { completionScript } from "./completion.ts";

function command(name: string, options: Command["options"] = {}): Command {
  const [noun, ...verb] = name.split(" ");
  const prepare = () => () => Promise.reject(new Error("never run"));
  return {
    ...{ noun, verb: verb.join(" "), usage: "", summary: "", example: "", options },
    needs: "settings",
    prepare,
  };
}

const OPTIONS = {
  directory: "/srv/it's sluice",
  commands: () => [
    command("domain add", { "no-dkim": { type: "boolean" } }),
    command("domain list"),
    command("user app-password add", { label: { type: "string" } }),
    command("trace"),
  ],
};

Deno.test("completionScript: bash offers nouns, then verbs, then options behind any words", async () => {
  const script = completionScript("bash", OPTIONS);
  const complete = async (...words: string[]) => {
    const typed = words.map((word) => `'${word}'`).join(" ");
    const { stdout, stderr } = await new Deno.Command("bash", {
      args: [
        "--norc",
        "-c",
        `${script}\nCOMP_WORDS=(sluice ${typed}); COMP_CWORD=${words.length}; _sluice\n` +
        'echo "${COMPREPLY[@]}"',
      ],
    }).output();
    assert.equal(new TextDecoder().decode(stderr), "");
    return new TextDecoder().decode(stdout).trimEnd();
  };
  assert.equal(await complete(""), "domain user trace");
  assert.equal(await complete("d"), "domain");
  assert.equal(await complete("domain", ""), "add list");
  assert.equal(await complete("user", "app-password", ""), "add");
  assert.equal(await complete("domain", "add", "--no"), "--no-dkim");
  // As bash parts words, an address is three of them.
  const address = ["ann", "@", "example.org"];
  assert.equal(await complete("user", "app-password", "add", ...address, "--l"), "--label");
  assert.equal(await complete("trace", "--"), "--json --help");
});

Deno.test("completionScript: each shell's calls the program where it is", () => {
  for (const shell of ["bash", "zsh", "fish"] as const) {
    const script = completionScript(shell, OPTIONS);
    assert.ok(script.includes("deno task --quiet --cwd '/srv/it'\\''s sluice' cli"), script);
    assert.match(script, /app-password/);
  }
});
