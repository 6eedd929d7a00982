/**
 * Which way imports may point. `mail` is below everything; the concern folders stand on it side by side;
 * `runtime`, `admin` and `cli` stand on those; the roots put it all together. Exceptions are data with a
 * reason, and one that is no longer needed fails as well.
 */
import assert from "node:assert/strict";
import { importCycles, parseSource, readSources, type SourceFile } from "./fixtures/source_tree.ts";

const ROOTS = [
  "engine/main.ts",
  "engine/server.ts",
  "engine/certificates.ts",
  "engine/learning.ts",
  "engine/reporting.ts",
  "engine/cli.ts",
  "engine/migrate.ts",
  "engine/probe.ts",
];
const ROOT_FOLDERS = ["workers/", "bench/", "tests/"];
const CONCERNS = [
  ...["smtp", "auth", "spam", "limits", "login", "routing", "delivery", "filters"],
  ...["dsn", "dns", "crypto", "store", "telemetry"],
];
const UPPER = ["runtime", "inbound", "admin", "acme", "doctor", "cli"];
const TECHNOLOGIES = ["postgres", "redis", "ffi", "node", "pglite"];
const MAX_LINES = 400;

/** Values a concern takes from another one, and why a type or an interface would not do. */
const SHARED_VALUES: Readonly<Record<string, string>> = {
  "smtp/data.ts > routing/expand.ts": "the spool's form of a recipient, a pure function",
  "smtp/login_dialogue.ts > login/sasl.ts":
    "what a client says to log in is read by pure functions",
  "delivery/courier.ts > store/dispatch.ts": "how many ids an entry holds, part of the interface",
  "delivery/settler.ts > store/dispatch.ts":
    "the shard of a destination, one pure function for all",
  "delivery/settler.ts > store/errors.ts": "tells a store that is away from one that is wrong",
  "delivery/settler.ts > store/group_commit.ts": "batching that knows no store",
  "delivery/transmission_outcome.ts > dsn/compose.ts": "a failed attempt is reported: pure text",
};

/** Technology files taken by a file that is no root. */
const TECHNOLOGY_USERS: Readonly<Record<string, string>> = {
  "delivery/destination.ts > delivery/node_smtp_session.ts":
    "speaks over a socket that was opened for it; only node_smtp_opener.ts connects",
};

/** What `config` takes from the engine: parsers of the text in a variable, all pure. */
const CONFIG_PARSERS = [
  "engine/dns/servers.ts",
  "engine/filters/policy_hooks.ts",
  "engine/filters/filter_address.ts",
  "engine/limits/dns_list_zones.ts",
  "engine/limits/rate.ts",
  "engine/mail/domain.ts",
  "engine/mail/ip_address.ts",
  "engine/mail/path.ts",
  "engine/routing/networks.ts",
  "engine/telemetry/mask.ts",
];

const files = await readSources(new URL("../", import.meta.url), [
  ...["engine", "workers", "config", "bench", "tests"],
]);

function isTest(path: string): boolean {
  return /^tests\/|\/testdata\/|_test\.ts$|_conformance\.ts$|_test_server\.ts$/.test(path);
}

function isRoot(path: string): boolean {
  return ROOTS.includes(path) || ROOT_FOLDERS.some((folder) => path.startsWith(folder));
}

/** `smtp` of `engine/smtp/rcpt.ts`; the empty text outside the engine's folders. */
function folderOf(path: string): string {
  return /^engine\/([^/]+)\//.exec(path)?.[1] ?? "";
}

function technologyOf(path: string): string | null {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return TECHNOLOGIES.find((technology) => name.startsWith(`${technology}_`)) ?? null;
}

function edge(from: string, to: string): string {
  return `${from} > ${to}`.replaceAll("engine/", "");
}

interface Rule {
  readonly name: string;
  /** What breaks the rule, a line each; tests may import what they test. */
  violations(files: readonly SourceFile[]): string[];
}

/** A rule about single imports between files of ours. */
function importRule(
  name: string,
  isBroken: (from: string, to: string, isTypeOnly: boolean) => boolean,
): Rule {
  return {
    name,
    violations: (files) =>
      files.filter(({ path }) => !isTest(path)).flatMap(({ path, imports }) =>
        imports.filter(({ target, isOurs, isTypeOnly }) =>
          isOurs && isBroken(path, target, isTypeOnly)
        ).map(({ target }) => edge(path, target))
      ),
  };
}

const RULES: readonly Rule[] = [
  importRule(
    "mail imports nothing of ours outside mail",
    (from, to) => folderOf(from) === "mail" && folderOf(to) !== "mail",
  ),
  importRule(
    "concern folders import nothing from above them, not even types",
    (from, to) => CONCERNS.includes(folderOf(from)) && (UPPER.includes(folderOf(to)) || isRoot(to)),
  ),
  importRule(
    "concern folders stay apart save for types",
    (from, to, isTypeOnly) =>
      !isTypeOnly && CONCERNS.includes(folderOf(from)) && CONCERNS.includes(folderOf(to)) &&
      folderOf(from) !== folderOf(to) && !(edge(from, to) in SHARED_VALUES),
  ),
  importRule(
    "runtime, admin and cli import no root",
    (from, to) => UPPER.includes(folderOf(from)) && isRoot(to),
  ),
  importRule("only roots and siblings import files of a technology, save for types", (
    from,
    to,
    isTypeOnly,
  ) =>
    !isTypeOnly && technologyOf(to) !== null && !isRoot(from) &&
    technologyOf(from) !== technologyOf(to) && !(edge(from, to) in TECHNOLOGY_USERS)),
  importRule(
    "config is imported by roots only",
    (from, to) => to.startsWith("config/") && !isRoot(from) && !from.startsWith("config/"),
  ),
  importRule(
    "config imports pure parsers only",
    (from, to) =>
      from.startsWith("config/") && !to.startsWith("config/") && !CONFIG_PARSERS.includes(to),
  ),
  importRule("nothing but tests imports tests", (_, to) => isTest(to)),
  {
    name: "no import goes round in a circle, types included",
    violations: (files) => importCycles(files).map((circle) => circle.join(" > ")),
  },
  {
    name: "no file passes on what another exports",
    violations: (files) =>
      files.filter(({ imports }) => imports.some(({ isReexport }) => isReexport))
        .map(({ path }) => path),
  },
  {
    name: "no file or folder is called utils, helpers or common",
    violations: (files) =>
      files.map(({ path }) => path)
        .filter((path) => /(^|[/_])(utils?|helpers?|common)([/_.]|$)/.test(path)),
  },
  {
    name: `no file is above ${MAX_LINES} lines`,
    violations: (files) =>
      files.filter(({ lines }) => lines > MAX_LINES)
        .map(({ path, lines }) => `${path}: ${lines} lines`),
  },
];

for (const rule of RULES) {
  Deno.test(`architecture: ${rule.name}`, () => {
    assert.deepEqual(rule.violations(files), []);
  });
}

Deno.test("architecture: no exception is left over", () => {
  const edges = new Set(
    files.flatMap(({ path, imports }) =>
      imports.filter(({ isTypeOnly }) => !isTypeOnly).map(({ target }) => edge(path, target))
    ),
  );
  const exceptions = [...Object.keys(SHARED_VALUES), ...Object.keys(TECHNOLOGY_USERS)];
  assert.deepEqual(exceptions.filter((exception) => !edges.has(exception)), []);
  const ofConfig = files.filter(({ path }) => path.startsWith("config/"))
    .flatMap(({ imports }) => imports.map(({ target }) => target));
  assert.deepEqual(CONFIG_PARSERS.filter((parser) => !ofConfig.includes(parser)), []);
  assert.deepEqual(ROOTS.filter((root) => !files.some(({ path }) => path === root)), []);
});

Deno.test("architecture: every folder of the engine has its place", () => {
  const folders = new Set(files.map(({ path }) => folderOf(path)));
  const known = new Set(["", "mail", ...CONCERNS, ...UPPER]);
  assert.deepEqual([...folders].filter((folder) => !known.has(folder)), []);
});

Deno.test("architecture: each rule finds what breaks it", () => {
  const planted = Object.entries({
    "engine/mail/a.ts": 'import type { S } from "../store/spool.ts";',
    "engine/smtp/a.ts": 'import { type B, b } from "../dns/b.ts";',
    "engine/smtp/b.ts": 'import type { W } from "../runtime/wire.ts";',
    "engine/smtp/c.ts": 'import { sql } from "./postgres_sql.ts";\nimport "./c_test.ts";',
    "engine/admin/a.ts":
      'import { main } from "../main.ts";\nimport type { C } from "../../config/c.ts";',
    "config/a.ts": 'const b = await import("../engine/dns/b.ts");',
    "engine/dns/index.ts": 'export * from "./x.ts";\n' + "\n".repeat(MAX_LINES),
    "engine/dns/x.ts": 'import type { Y } from "./name_helpers.ts";',
    "engine/dns/name_helpers.ts": 'import {\n  type X,\n} from "./x.ts";',
  }).map(([path, text]) => parseSource(path, text));
  const silent = RULES.filter((rule) => rule.violations(planted).length === 0);
  assert.deepEqual(silent.map(({ name }) => name), []);
});

Deno.test("parseSource: tells values, types, re-exports and other people's modules apart", () => {
  const { imports } = parseSource(
    "engine/smtp/a.ts",
    [
      'import fs from "node:fs";',
      'import type { A } from "../mail/a.ts";',
      'import {\n  type B,\n  type C,\n} from "./b.ts";',
      'import { type D, d } from "./d.ts";',
      'export type { E } from "./e.ts";',
      '/** import { no } from "./no.ts"; */',
      'export const text = "from";',
      'import "./effect.ts";',
    ].join("\n"),
  );
  assert.deepEqual(
    imports.map(({ target, isTypeOnly, isReexport }) =>
      `${target}${isTypeOnly ? " type" : ""}${isReexport ? " on" : ""}`
    ),
    [
      "node:fs",
      "engine/mail/a.ts type",
      "engine/smtp/b.ts type",
      "engine/smtp/d.ts",
      "engine/smtp/e.ts type on",
      "engine/smtp/effect.ts",
    ],
  );
});
