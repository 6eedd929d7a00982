import assert from "node:assert/strict";
import { type Console, openConsole } from "./console.ts";

function message(subject: string, body: string, more = ""): string {
  return `From: Ann <ann@example.com>\nTo: bob@example.org\nSubject: ${subject}\n` +
    `Date: Thu, 26 Nov 2026 01:02:03 +0000\nMessage-ID: <${
      subject.replaceAll(" ", ".")
    }@example.com>\n` +
    `${more}\n${body}\n`;
}

async function withMail(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sluice-spam-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const FROM_LINE = "From ann@example.com Thu Nov 26 01:02:03 2026\n";

async function refuses(console: Console): Promise<void> {
  await withMail(async (folder) => {
    Deno.writeTextFileSync(`${folder}/a.eml`, message("a", "b"));
    const wrong: [string, RegExp][] = [
      ["spam train", /path is missing/],
      [`spam train ${folder}/a.eml`, /one of --spam and --ham/],
      [`spam train --spam --ham ${folder}/a.eml`, /one of --spam and --ham/],
      [`spam train --spam ${folder}/a.eml --domain @`, /not a domain/],
      [`spam forget --all ${folder}/a.eml`, /no paths/],
      ["spam status now", /no words/],
    ];
    for (const [words, expected] of wrong) {
      const said = await console.run(words);
      assert.equal(said.code, 2, words);
      assert.match(said.error, expected);
    }
    const missing = await console.run(`spam train --spam ${folder}/a.eml ${folder}/none.eml`);
    assert.deepEqual([missing.code, missing.error], [
      1,
      `cannot read ${folder}/none.eml: there is no such file`,
    ]);
    const foreign = await console.run(`spam train --spam ${folder}/a.eml --domain example.net`);
    assert.match(foreign.error, /no such domain/);
    Deno.mkdirSync(`${folder}/empty`);
    assert.match((await console.run(`spam train --spam ${folder}/empty`)).error, /no mail/);
    assert.deepEqual((await console.json("spam status"))[0].spam, 0);
  });
}

async function trains(console: Console): Promise<void> {
  await console.json("domain add example.org");
  await withMail(async (folder) => {
    const offers = Array.from({ length: 120 }, (_, n) => message(`offer ${n}`, `buy pills ${n}`));
    Deno.writeTextFileSync(
      `${folder}/spam.mbox`,
      offers.map((text) => `${FROM_LINE}${text}\n`).join(""),
    );
    for (const part of ["new", "cur", "tmp"]) {
      Deno.mkdirSync(`${folder}/maildir/${part}`, { recursive: true });
    }
    const [first, second, third] = ["one", "two", "three"].map((word) =>
      message(word, `lunch ${word}`)
    );
    Deno.writeTextFileSync(`${folder}/maildir/new/1.a`, first);
    Deno.writeTextFileSync(`${folder}/maildir/cur/2.b:2,S`, second);
    Deno.writeTextFileSync(`${folder}/maildir/dovecot-uidlist`, "3 V1\n");
    Deno.writeTextFileSync(`${folder}/third.eml`, third.replaceAll("\n", "\r\n"));

    assert.deepEqual(await console.json(["spam", "train", "--spam", `${folder}/spam.mbox`]), {
      scope: "",
      label: "spam",
      messages: 120,
      learned: 120,
      moved: 0,
      known: 0,
    });
    const ham = await console.run([
      "spam",
      "train",
      "--ham",
      `${folder}/maildir`,
      `${folder}/third.eml`,
    ]);
    assert.equal(ham.out, "learnt 3 of 3 messages as ham for all domains");
    // One of them is met again, with other fields on top.
    Deno.writeTextFileSync(`${folder}/again.eml`, `X-Spam-Flag: YES\r\nReceived: x\r\n${third}`);
    const moved = await console.run([
      "spam",
      "train",
      "--spam",
      `${folder}/again.eml`,
      `${folder}/spam.mbox`,
    ]);
    assert.equal(
      moved.out,
      "learnt 1 of 121 messages as spam for all domains; 1 had been ham, 120 were known",
    );
    await console.json(["spam", "train", "--ham", `${folder}/maildir`, "--domain", "Example.org"]);

    const status = await console.json("spam status");
    assert.deepEqual(
      status.map(({ scope, ham, spam }: Record<string, unknown>) => [scope, ham, spam]),
      [["", 2, 121], ["example.org", 2, 0]],
    );
    assert.ok(
      status[0].tokens > 20 && Math.abs(Date.parse(status[0].learnedAt) - Date.now()) < 60_000,
    );
    assert.match(
      (await console.run("spam status")).out,
      /^all domains +2 ham +121 spam +\d+ tokens/,
    );

    assert.deepEqual(
      await console.json(["spam", "forget", `${folder}/again.eml`, `${folder}/maildir`]),
      {
        scope: "",
        messages: 3,
        forgotten: 3,
      },
    );
    await console.json("spam forget --all --domain example.org");
    const after = await console.json("spam status");
    assert.deepEqual(after.map(({ ham, spam }: Record<string, unknown>) => [ham, spam]), [[
      0,
      120,
    ]]);
  });
}

async function explains(console: Console): Promise<void> {
  await withMail(async (folder) => {
    for (const [label, word] of [["spam", "pills"], ["ham", "lunch"]]) {
      const texts = Array.from(
        { length: 60 },
        (_, n) => message(`${word} ${n}`, `${word} for you, ${n}`),
      );
      Deno.writeTextFileSync(
        `${folder}/${label}.mbox`,
        texts.map((text) => `${FROM_LINE}${text}\n`).join(""),
      );
      await console.json(["spam", "train", `--${label}`, `${folder}/${label}.mbox`]);
    }
    Deno.writeTextFileSync(`${folder}/new.eml`, message("pills pills", "pills for you"));
    const explained = await console.json(["spam", "explain", `${folder}/new.eml`]);
    assert.ok(explained.bayes.probability > 0.9, explained.bayes.probability);
    const names = explained.signals.map(({ name }: { name: string }) => name);
    assert.ok(names.includes("BAYES_SPAM"), names.join());
    const sum = explained.signals.reduce(
      (sum: number, { points }: { points: number }) => sum + points,
      0,
    );
    assert.ok(Math.abs(sum - explained.points) < 0.01);
    const said = await console.run(["spam", "explain", `${folder}/new.eml`]);
    assert.match(said.out, /in all +compared with 60 ham and 60 spam\n(?:.*\n)*.*BAYES_SPAM/);

    // One that lay in a mailbox for long is judged as of the day it came.
    const date = "Thu, 26 Nov 2020 01:02:03 +0000";
    const old = message("pills pills", "pills for you").replace(/^Date: .*/m, `Date: ${date}`);
    for (const [received, isOld] of [[`Received: by us; ${date}\n`, false], ["", true]] as const) {
      Deno.writeTextFileSync(`${folder}/old.eml`, received + old);
      const { signals } = await console.json(["spam", "explain", `${folder}/old.eml`]);
      assert.equal(signals.some(({ name }: { name: string }) => name === "DATE_PAST"), isOld);
    }

    console.settings = { ...console.settings, spamRulesPath: `${folder}/rules.json` };
    Deno.writeTextFileSync(`${folder}/rules.json`, "{}");
    assert.match(
      (await console.run(["spam", "explain", `${folder}/new.eml`])).error,
      /rules are wrong/,
    );
  });
}

Deno.test("spam", async (test) => {
  await using console = await openConsole();
  await test.step("spam: what cannot be done is said, and nothing is learnt", () =>
    refuses(console));
  await test.step("spam: train, status and forget, from mailbox files, Maildirs and messages", () =>
    trains(console));
  await console.json("spam forget --all");
  await test.step("spam explain: the score and each reason for it", () => explains(console));
});
