/** Whether mail programs that look for the server find it (RFC 6186, RFC 8314 §5.1), and what autoconfig leads to. */
import type { DnsAnswer, SrvRecord } from "../dns/resolver.ts";
import { absence, unanswered } from "./dns_finding.ts";
import { duplicated, type Finding, missing, right, warn, wrong } from "./finding.ts";
import type { SubmissionService } from "./records.ts";

export interface AutoconfigAnswers {
  readonly name: string;
  readonly hostname: string;
  /** Those of the mail host. */
  readonly hostAddresses: readonly string[];
  readonly cname: DnsAnswer<string>;
  /** Of the name itself, its alias followed. */
  readonly a: DnsAnswer<string>;
  readonly aaaa: DnsAnswer<string>;
}

const PUBLISH = "publish the SRV record given below in its place";

export function judgeSrv(
  { service, hostname, srv }: {
    readonly service: SubmissionService;
    readonly hostname: string;
    readonly srv: DnsAnswer<SrvRecord>;
  },
): Finding {
  const { name, ports } = service;
  if (srv.kind === "tempfail") return unanswered(srv.reason, name);
  if (srv.kind !== "found") return absence(srv, { what: "SRV record", name });
  const targets = srv.records.map(({ target }) => target);
  // RFC 2782: a target of "." says that the service is not offered at all.
  if (targets.includes(".")) {
    return wrong(`${name} says by its target "." that there is no such service`, PUBLISH);
  }
  const ours = srv.records.filter(({ target }) => target === hostname);
  const others = [...new Set(targets.filter((target) => target !== hostname))];
  if (ours.length === 0) {
    return wrong(`${name} leads to ${others.join(", ")}, not to ${hostname}`, PUBLISH);
  }
  const listed = ours.map(({ port }) => port).join(", ");
  if (!ours.some(({ port }) => ports.includes(port))) {
    return wrong(
      `${name} leads to port ${listed} of ${hostname}, not to ${ports.join(" or ")}`,
      PUBLISH,
    );
  }
  if (ours.length > 1) {
    return duplicated(
      `${name} names ${hostname} ${ours.length} times (ports ${listed})`,
      "keep the one given below",
    );
  }
  if (others.length > 0) {
    return warn(
      `${name} leads to ${hostname}, and to ${others.join(", ")} too`,
      "see that the domain's users can log in there, or remove them",
    );
  }
  return right(`${name} leads to port ${listed} of ${hostname}`);
}

/** Decides by the addresses in the end, so that another alias, or none, is as good as ours. */
export function judgeAutoconfig(answers: AutoconfigAnswers): Finding {
  const { name, hostname, hostAddresses, cname, a, aaaa } = answers;
  const mend = `publish the record given below in its place, or remove ${name}`;
  for (const answer of [cname, a, aaaa]) {
    if (answer.kind === "tempfail") return unanswered(answer.reason, name);
  }
  const alias = cname.kind === "found" ? cname.records[0] : null;
  if (alias === hostname) return right(`${name} leads to ${hostname}`);
  const found = [a, aaaa].flatMap((answer) => answer.kind === "found" ? answer.records : []);
  if (found.length === 0) {
    return alias === null
      ? missing(`${name} has neither an alias nor an address`, "publish the record given below")
      : wrong(`${name} is an alias of ${alias}, which has no address`, mend);
  }
  const place = alias === null ? "" : `${alias}, at `;
  const foreign = found.filter((address) => !hostAddresses.includes(address));
  if (foreign.length === found.length) {
    return wrong(`${name} leads to ${place}${found.join(", ")}, not to ${hostname}`, mend);
  }
  if (foreign.length > 0) {
    return duplicated(
      `${name} leads to ${hostname}, and to ${foreign.join(", ")} too`,
      "remove the records of addresses that are not the mail host's",
    );
  }
  return right(`${name} leads to ${place}${found.join(", ")}, as ${hostname} does`);
}
