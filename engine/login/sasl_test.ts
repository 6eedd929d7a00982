import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import { continueSasl, type SaslMethod, type SaslState, type SaslStep, startSasl } from "./sasl.ts";

const challenge = "<1896.697170952@postoffice.reston.mci.net>";

function base64(text: string | Uint8Array): string {
  return Buffer.from(text as string).toString("base64");
}

function start(method: SaslMethod, initialResponse: string | null = null): SaslStep {
  return startSasl(method, initialResponse, { challenge });
}

/** Plays an exchange to its end, or to where the client has no more lines. */
function play(method: SaslMethod, initialResponse: string | null, ...lines: string[]): SaslStep {
  let step = start(method, initialResponse);
  for (const line of lines) {
    assert.equal(step.kind, "prompt");
    if (step.kind === "prompt") step = continueSasl(step.state, line);
  }
  return step;
}

function plain(text: string | Uint8Array): SaslStep {
  return start("PLAIN", base64(text));
}

Deno.test("startSasl: PLAIN with an initial response (RFC 4616 §4)", () => {
  assert.deepEqual(plain("\0tim\0tanstaaftanstaaf"), {
    kind: "credentials",
    credentials: {
      kind: "password",
      method: "PLAIN",
      name: "tim",
      password: "tanstaaftanstaaf",
    },
  });
  const acting = plain("Ursel\0Kurt\0xipj3plmq");
  assert.ok(acting.kind === "credentials" && acting.credentials.kind === "password");
  assert.equal(acting.credentials.authorizationId, "Ursel");
  assert.equal(acting.credentials.name, "Kurt");
});

Deno.test("startSasl: PLAIN without one gets an empty prompt (RFC 4954 §4.1)", () => {
  const step = start("PLAIN");
  assert.ok(step.kind === "prompt");
  assert.equal(step.text, "");
  assert.equal(continueSasl(step.state, base64("\0ann\0pw")).kind, "credentials");
});

Deno.test("startSasl: PLAIN of the wrong shape is malformed (RFC 4616 §2)", () => {
  const shapes = ["", "ann", "ann\0pw", "\0ann\0", "\0\0pw", "\0ann\0p\0w", "\0ann\0pw\0"];
  for (const shape of shapes) assert.equal(plain(shape).kind, "malformed", JSON.stringify(shape));
  assert.equal(start("PLAIN", "=").kind, "malformed");
});

Deno.test("startSasl: names end at 255 octets, passwords at 1024", () => {
  const kind = (parts: string[]) => plain(parts.join("\0")).kind;
  assert.equal(kind(["", "n".repeat(255), "p".repeat(1_024)]), "credentials");
  assert.equal(kind(["", "n".repeat(256), "p"]), "malformed");
  assert.equal(kind(["", "ü".repeat(128), "p"]), "malformed");
  assert.equal(kind(["", "n", "p".repeat(1_025)]), "malformed");
  assert.equal(kind(["z".repeat(256), "n", "p"]), "malformed");
});

Deno.test("continueSasl: LOGIN asks for name and password", () => {
  const first = start("LOGIN");
  assert.ok(first.kind === "prompt");
  assert.equal(first.text, "VXNlcm5hbWU6");
  const second = continueSasl(first.state, base64("ann@example.org"));
  assert.ok(second.kind === "prompt");
  assert.equal(second.text, "UGFzc3dvcmQ6");
  assert.deepEqual(continueSasl(second.state, base64("p w\u00fc")), {
    kind: "credentials",
    credentials: { kind: "password", method: "LOGIN", name: "ann@example.org", password: "p wü" },
  });
});

Deno.test("startSasl: LOGIN takes the name as its initial response", () => {
  const step = start("LOGIN", base64("ann"));
  assert.ok(step.kind === "prompt");
  assert.equal(step.text, "UGFzc3dvcmQ6");
  const end = continueSasl(step.state, base64("pw"));
  assert.ok(end.kind === "credentials");
  assert.equal(end.credentials.name, "ann");
});

Deno.test("continueSasl: LOGIN without name or password is malformed", () => {
  assert.equal(play("LOGIN", "=").kind, "malformed");
  assert.equal(play("LOGIN", null, "").kind, "malformed");
  assert.equal(play("LOGIN", null, base64("ann"), "").kind, "malformed");
  assert.equal(play("LOGIN", null, base64("a\0n")).kind, "malformed");
  assert.equal(play("LOGIN", null, base64("ann"), base64("p\0w")).kind, "malformed");
  assert.equal(play("LOGIN", null, base64("n".repeat(256))).kind, "malformed");
});

Deno.test("continueSasl: CRAM-MD5 as in the example (RFC 2195 §2)", () => {
  const step = start("CRAM-MD5");
  assert.ok(step.kind === "prompt");
  assert.equal(
    step.text,
    "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+",
  );
  const end = continueSasl(step.state, "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
  assert.deepEqual(end, {
    kind: "credentials",
    credentials: {
      kind: "cram-md5",
      method: "CRAM-MD5",
      name: "tim",
      challenge,
      digestHex: "b913a602c7eda7a495b4e6e7334d3890",
    },
  });
});

Deno.test("continueSasl: CRAM-MD5 takes names with spaces and digits of either case", () => {
  const digest = "B913A602C7EDA7A495B4E6E7334D3890";
  const end = play("CRAM-MD5", null, base64(`tim o b ${digest}`));
  assert.ok(end.kind === "credentials" && end.credentials.kind === "cram-md5");
  assert.equal(end.credentials.name, "tim o b");
  assert.equal(end.credentials.digestHex, digest.toLowerCase());
  for (const wrong of ["tim", ` ${digest}`, `tim ${digest}0`, `tim ${digest.slice(1)}`, "tim g"]) {
    assert.equal(play("CRAM-MD5", null, base64(wrong)).kind, "malformed", wrong);
  }
});

Deno.test("startSasl: CRAM-MD5 has no initial response (RFC 4954 §4)", () => {
  assert.equal(start("CRAM-MD5", "=").kind, "malformed");
  assert.equal(start("CRAM-MD5", base64("tim x")).kind, "malformed");
});

Deno.test("continueSasl: a single asterisk cancels, but not as initial response (RFC 4954 §4)", () => {
  for (const method of ["PLAIN", "LOGIN", "CRAM-MD5"] as const) {
    assert.equal(play(method, null, "*").kind, "cancelled");
  }
  assert.equal(play("LOGIN", base64("ann"), "*").kind, "cancelled");
  assert.equal(start("PLAIN", "*").kind, "malformed");
  assert.equal(play("PLAIN", null, "**").kind, "malformed");
});

Deno.test("continueSasl: base 64 is strict (RFC 4648 §3)", () => {
  const right = base64("\0ann\0pw1");
  assert.equal(play("PLAIN", null, right).kind, "credentials");
  const wrong = [
    right.slice(0, -1),
    `${right}=`,
    ` ${right}`,
    `${right}\n`,
    right.replace("A", "-"),
  ];
  // The last digit holds bits that stand for nothing.
  wrong.push(base64("\0ann\0pw").replace(/.=+$/, (end) => end.replace(/^./, "x")));
  for (const line of wrong) assert.equal(play("PLAIN", null, line).kind, "malformed", line);
});

Deno.test("continueSasl: UTF-8 is strict, and a mark at its start is kept", () => {
  for (const octets of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
    const line = base64(new Uint8Array([0, 0x61, 0, ...octets]));
    assert.equal(play("PLAIN", null, line).kind, "malformed");
  }
  const end = play("LOGIN", null, base64("\ufeffann"), base64("pw"));
  assert.ok(end.kind === "credentials");
  assert.equal(end.credentials.name, "\ufeffann");
});

const method = fc.constantFrom<SaslMethod>("PLAIN", "LOGIN", "CRAM-MD5");
const line = fc.oneof(
  anyText({ maxLength: 80 }),
  fc.base64String({ maxLength: 80 }),
  fc.uint8Array({ maxLength: 80 }).map((octets) => base64(octets)),
  fc.constantFrom("", "=", "*"),
);

Deno.test("startSasl, continueSasl: no input throws, and every exchange ends", () => {
  fc.assert(
    fc.property(method, fc.option(line), fc.array(line, { minLength: 2, maxLength: 2 }), (
      method,
      initial,
      lines,
    ) => {
      let step = start(method, initial);
      for (const next of lines) {
        if (step.kind === "prompt") step = continueSasl(step.state, next);
      }
      assert.notEqual(step.kind, "prompt");
    }),
    { numRuns: 2_000 },
  );
});

const text = (maxLength: number) =>
  fc.string({ unit: "grapheme", minLength: 1, maxLength })
    .filter((text) => text.isWellFormed() && !text.includes("\0"));

Deno.test("startSasl, continueSasl: what is said is what is understood", () => {
  fc.assert(
    fc.property(text(20), text(40), (name, password) => {
      const ends: [SaslStep, string][] = [
        [plain(`\0${name}\0${password}`), "PLAIN"],
        [play("PLAIN", null, base64(`\0${name}\0${password}`)), "PLAIN"],
        [play("LOGIN", null, base64(name), base64(password)), "LOGIN"],
        [play("LOGIN", base64(name), base64(password)), "LOGIN"],
      ];
      for (const [end, method] of ends) {
        assert.deepEqual(end, {
          kind: "credentials",
          credentials: { kind: "password", method, name, password },
        });
      }
      const digestHex = "0".repeat(32);
      const end = continueSasl({ waitsFor: "cram", challenge }, base64(`${name} ${digestHex}`));
      assert.ok(end.kind === "credentials");
      assert.equal(end.credentials.name, name);
    }),
  );
});

Deno.test("continueSasl: a state may be continued twice, as it is a value", () => {
  const state: SaslState = { waitsFor: "login_password", name: "ann" };
  for (const password of ["a", "b"]) {
    const end = continueSasl(state, base64(password));
    assert.ok(end.kind === "credentials" && end.credentials.kind === "password");
    assert.equal(end.credentials.password, password);
  }
});
