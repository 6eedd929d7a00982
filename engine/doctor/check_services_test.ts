import assert from "node:assert/strict";
import { judgeSrv } from "./check_services.ts";
import { type DomainFacts, expectedRecords, submissionServices } from "./records.ts";

function facts(ports: DomainFacts["ports"]): DomainFacts {
  return {
    domain: "example.org",
    hostname: "mx.example.org",
    addresses: [],
    keys: [],
    ports,
    policyId: "1",
  };
}

Deno.test("judgeSrv: a server behind another port is found at the well-known one and at its own", () => {
  const given = facts({ submission: 2587, smtps: 0 });
  const [service, ...rest] = submissionServices(given);
  assert.deepEqual(rest, []);
  const verdict = (...ports: number[]) => {
    const records = ports.map((port) => ({ priority: 0, weight: 1, port, target: given.hostname }));
    const srv = { kind: "found", records, ttlS: 60, authenticated: false } as const;
    return judgeSrv({ service, hostname: given.hostname, srv }).verdict;
  };
  assert.deepEqual([587, 2587, 465].map((port) => verdict(port)), ["right", "right", "wrong"]);
  assert.equal(verdict(587, 2587), "duplicated");
  const published = expectedRecords(given).filter(({ part }) => part === "srv");
  assert.deepEqual(
    published.map(({ name, value }) => `${name} ${value}`),
    ["_submission._tcp.example.org 10 1 587 mx.example.org."],
  );
});

Deno.test("submissionServices: of listeners that are off nothing is said", () => {
  assert.deepEqual(submissionServices(facts({ submission: 0, smtps: 0 })), []);
});
