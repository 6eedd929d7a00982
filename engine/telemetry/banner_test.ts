import assert from "node:assert/strict";
import { type BannerFacts, bannerText } from "./banner.ts";

const LOOPBACK = ["127.0.0.1", "::1"];
const FACTS: BannerFacts = {
  version: "0.1.0",
  hostname: "mail.example.org",
  domain: "localhost",
  smtp: { addresses: LOOPBACK, port: 2525 },
  submission: { addresses: LOOPBACK, port: 2587 },
  smtps: { addresses: LOOPBACK, port: 2465 },
  http: { addresses: ["127.0.0.1"], port: 9090 },
  dataDir: "./data",
  databaseUrl: null,
  redisUrl: null,
  certificate: { path: "data/tls/certificate.pem", selfSigned: true },
  newUsers: [
    { address: "admin@localhost", password: "first-secret" },
    { address: "user@localhost", password: "second-secret" },
  ],
};

Deno.test("bannerText: tells a newcomer where everything is and what to do next", () => {
  const text = bannerText(FACTS);
  assert.match(text, /Incoming mail +127\.0\.0\.1:2525, \[::1\]:2525/);
  assert.match(text, /http:\/\/127\.0\.0\.1:9090\/readyz/);
  assert.match(text, /embedded database in \.\/data/);
  assert.match(text, /certificate\.pem \(self-signed\)/);
  assert.match(text, /user@localhost {2}password: second-secret/);
  assert.match(text, /swaks --server 127\.0\.0\.1 --port 2525 --to admin@localhost/);
  assert.match(text, /npx -y deno@2\.9\.6 task cli domain add example\.org/);
  assert.match(text, /Only this machine can connect/);
});

Deno.test("bannerText: stays below 25 lines of 120 characters", () => {
  const lines = bannerText(FACTS).split("\n");
  assert.ok(lines.length < 25, `${lines.length}`);
  for (const line of lines) assert.ok(line.length <= 120, line);
});

Deno.test("bannerText: masks the passwords of the stores", () => {
  const text = bannerText({
    ...FACTS,
    databaseUrl: "postgres://sluice:hunter2@db.example.org/mail",
    redisUrl: "redis://:hunter2@redis.example.org",
  });
  assert.doesNotMatch(text, /hunter2/);
  assert.match(text, /postgres:\/\/sluice:\*\*\*@db\.example\.org\/mail/);
});

Deno.test("bannerText: an open server with listeners turned off", () => {
  const text = bannerText({
    ...FACTS,
    smtp: { addresses: ["0.0.0.0"], port: 25 },
    submission: { addresses: ["0.0.0.0"], port: 0 },
    smtps: { addresses: ["0.0.0.0"], port: 0 },
    http: { addresses: ["127.0.0.1"], port: 0 },
    certificate: null,
    newUsers: [],
  });
  assert.match(text, /Submission +off\n.*Submission +off\n.*Health, metrics +off/);
  assert.match(text, /swaks --server 127\.0\.0\.1 --port 25 --to postmaster@localhost/);
  assert.doesNotMatch(text, /Only this machine|--tls|New user/);
});
