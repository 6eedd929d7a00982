import assert from "node:assert/strict";
import { levelOf } from "./finding.ts";
import {
  examineListeners,
  judgeCertificate,
  judgeListener,
  type Listener,
  listenersOf,
  type PresentedCertificate,
  type ProbeOutcome,
  type ProbeRequest,
} from "./reachability.ts";

const HOSTNAME = "mx.example.org";
const DAY_MS = 24 * 3600 * 1000;
const NOW_MS = Date.UTC(2026, 10, 19);
const CERTIFICATE: PresentedCertificate = {
  coversName: true,
  names: [HOSTNAME],
  notBeforeMs: NOW_MS - DAY_MS,
  notAfterMs: NOW_MS + 60 * DAY_MS,
  isSelfSigned: false,
};
const ANSWERED: ProbeOutcome = {
  kind: "answered",
  offersStartTls: true,
  certificate: CERTIFICATE,
};

Deno.test("judgeListener: tells refused, silent, odd and badly secured apart", () => {
  const judged = (name: Listener["name"], outcome: ProbeOutcome) => {
    const { verdict, reason } = judgeListener({ name, host: "127.0.0.1", port: 25 }, outcome);
    return `${verdict}: ${reason}`;
  };
  const withoutTls = { ...ANSWERED, certificate: null };
  for (
    const [name, outcome, said] of [
      ["smtp", ANSWERED, /^right: port 25 answers, with TLS$/],
      ["smtps", { ...ANSWERED, offersStartTls: false }, /^right: /],
      ["smtp", { ...withoutTls, offersStartTls: false }, /^wrong: .*offers no STARTTLS$/],
      ["smtp", withoutTls, /^wrong: .*TLS fails/],
      ["smtps", { ...withoutTls, offersStartTls: false }, /^wrong: .*TLS fails/],
      ["smtp", { kind: "refused" }, /^missing: nothing listens on port 25 of 127\.0\.0\.1$/],
      ["smtp", { kind: "silent" }, /^unreachable: .*does not answer in time$/],
      ["smtp", { kind: "odd", reason: "does not speak SMTP" }, /^wrong: .*does not speak SMTP$/],
    ] as const
  ) {
    assert.match(judged(name, outcome), said);
  }
});

Deno.test("judgeCertificate: dates, names and who signed it", () => {
  const judged = (change: Partial<PresentedCertificate>) => {
    const options = { hostname: HOSTNAME, nowMs: NOW_MS };
    const { verdict, reason } = judgeCertificate({ ...CERTIFICATE, ...change }, options);
    return `${verdict}: ${reason}`;
  };
  assert.equal(judged({}), `right: the certificate for ${HOSTNAME} holds until 2027-01-18`);
  assert.match(judged({ notAfterMs: NOW_MS }), /^wrong: the certificate ran out on 2026-11-19/);
  assert.match(judged({ notBeforeMs: NOW_MS + 1 }), /^wrong: .*only begins to hold at 2026-11-19T/);
  const names = ["a.example", "b.example"];
  assert.match(judged({ coversName: false, names }), /^wrong: .*for a\.example, b\.example, not/);
  assert.match(judged({ coversName: false, names: [] }), /^wrong: .*for no name at all/);
  assert.match(judged({ isSelfSigned: true }), /^warn: .*self-signed/);
  assert.match(judged({ notAfterMs: NOW_MS + 14 * DAY_MS - 1 }), /^warn: .*in 13 days/);
  assert.match(judged({ notAfterMs: NOW_MS + 14 * DAY_MS }), /^right: /);
});

Deno.test("listenersOf: knocks at loopback where the server listens on all addresses", () => {
  const at = (listenAddresses: string[], submission = 2587) =>
    listenersOf({ listenAddresses, ports: { smtp: 2525, submission, smtps: 2465 } })
      .map(({ name, host, port }) => `${name} ${host} ${port}`);
  assert.deepEqual(at(["0.0.0.0"]), [
    "smtp 127.0.0.1 2525",
    "submission 127.0.0.1 2587",
    "smtps 127.0.0.1 2465",
  ]);
  assert.deepEqual(at(["::", "0.0.0.0"], 0), ["smtp ::1 2525", "smtps ::1 2465"]);
  assert.deepEqual(at(["192.0.2.1"], 0), ["smtp 192.0.2.1 2525", "smtps 192.0.2.1 2465"]);
});

Deno.test("examineListeners: a check for each listener and one for what they show", async () => {
  const ports = { smtp: 25, submission: 587, smtps: 465 };
  const listeners = listenersOf({ listenAddresses: ["127.0.0.1"], ports });
  const asked: ProbeRequest[] = [];
  const examine = async (outcomeAt: (port: number) => ProbeOutcome) => {
    const checks = await examineListeners(listeners, {
      hostname: HOSTNAME,
      nowMs: NOW_MS,
      probe: (request) => {
        asked.push(request);
        return Promise.resolve(outcomeAt(request.port));
      },
    });
    return checks.map((check) => `${levelOf(check)} ${check.subject}`);
  };
  assert.deepEqual(await examine((port) => port === 587 ? { kind: "refused" } : ANSWERED), [
    ...["ok smtp 25", "fail submission 587", "ok smtps 465", "ok certificate"],
  ]);
  assert.deepEqual(
    asked.map(({ port, tls, serverName }) => `${port} ${tls} ${serverName}`),
    [`25 starttls ${HOSTNAME}`, `587 starttls ${HOSTNAME}`, `465 implicit ${HOSTNAME}`],
  );
  assert.deepEqual(await examine(() => ({ kind: "silent" })), [
    ...["fail smtp 25", "fail submission 587", "fail smtps 465", "note certificate"],
  ]);
});
