import assert from "node:assert/strict";
import fc from "fast-check";
import {
  parseMachineCpu,
  parseProcessStat,
  parseProportionalSizes,
  type ProcessStat,
  treeOf,
} from "./proc_text.ts";

const statLine = (name: string) =>
  `4242 (${name}) S 17 4242 4242 0 -1 4194304 100 200 0 0 31 12 5 7 20 0 9 0 5000 1 2 3`;

Deno.test("parseMachineCpu: counts busy time without idle, iowait and steal", () => {
  const stat = "cpu  100 20 30 9999 888 4 5 777 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\n";
  assert.deepEqual(parseMachineCpu(stat), { busyMs: 1590 });
});

Deno.test("parseMachineCpu: throws without a cpu line", () => {
  assert.throws(() => parseMachineCpu("intr 1 2 3\n"), /no cpu line/);
});

Deno.test("parseProcessStat: own and reaped time in milliseconds", () => {
  assert.deepEqual(parseProcessStat(statLine("smtpd")), {
    pid: 4242,
    name: "smtpd",
    parent: 17,
    ownMs: 430,
    reapedMs: 120,
  });
});

Deno.test("parseProcessStat: a name may hold spaces and parentheses", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z ()]{1,15}$/), (name) => {
      const stat = parseProcessStat(statLine(name));
      assert.equal(stat?.name, name);
      assert.equal(stat?.parent, 17);
    }),
  );
});

Deno.test("parseProcessStat: no input throws", () => {
  fc.assert(fc.property(fc.string(), (line) => void parseProcessStat(line)));
  assert.equal(parseProcessStat("cat: /proc/9/stat: No such process"), null);
});

Deno.test("treeOf: takes children of children and nobody else's", () => {
  const at = (pid: number, parent: number): [number, ProcessStat] => [
    pid,
    { pid, parent, name: "", ownMs: 0, reapedMs: 0 },
  ];
  const processes = new Map([at(1, 0), at(2, 1), at(3, 2), at(4, 1), at(5, 3)]);
  assert.deepEqual(treeOf(2, processes).map((p) => p.pid), [2, 3, 5]);
  assert.deepEqual(treeOf(9, processes), []);
});

Deno.test("parseProportionalSizes: one size a process, other lines ignored", () => {
  const text = "/proc/7/smaps_rollup:Pss:                1024 kB\n" +
    "/proc/7/smaps_rollup:Pss_Anon:            1 kB\n" +
    "grep: /proc/8/smaps_rollup: No such process\n" +
    "/proc/19/smaps_rollup:Pss:     8 kB\n";
  assert.deepEqual([...parseProportionalSizes(text)], [[7, 1024], [19, 8]]);
});
