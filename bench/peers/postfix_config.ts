/**
 * Postfix as a tuned relay, in words it reads itself: main.cf and master.cf of one private
 * instance. Every setting that differs from Postfix's default says why in the file.
 */

import type { Role } from "./contender.ts";

export interface PostfixSetup {
  /** Holds queue, data and log; nothing of the system's own Postfix is touched. */
  readonly directory: string;
  readonly smtpPort: number;
  readonly sinkPort: number;
  readonly role: Role;
  /** Upper bound of `smtpd` processes: one for each connection. */
  readonly maxSessions: number;
  /** Served with STARTTLS; `null`: no TLS. */
  readonly certificate: BenchCertificate | null;
  /** Mail from strangers for a domain of its own, judged first; `null`: a relay for friends. */
  readonly judging: PostfixJudging | null;
}

export interface PostfixJudging {
  /** Mail for it goes to the sink, by LMTP. */
  readonly domain: string;
  readonly milterPort: number;
}

/** PEM files. */
export interface BenchCertificate {
  readonly certPath: string;
  readonly keyPath: string;
}

export function mainCf(setup: PostfixSetup): string {
  const { directory, sinkPort } = setup;
  return `# A private instance beside the system's own, on the disk that holds the other side's database.
compatibility_level = 3.6
queue_directory = ${directory}/queue
data_directory = ${directory}/data
multi_instance_enable = yes
syslog_name = postfix-bench

# One line a delivery stage, as any site has it, but into a file: no syslog daemon takes part.
maillog_file = ${directory}/maillog
maillog_file_prefixes = ${directory}

# Loopback only, no domain of its own: everything is relayed.
myhostname = postfix.bench.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
relayhost = [127.0.0.1]:${sinkPort}

# No DNS: neither side looks up anything.
disable_dns_lookups = yes
smtp_dns_support_level = disabled
smtpd_peername_lookup = no

${setup.certificate === null ? noTls : tls(setup.certificate)}
${
    setup.judging === null
      ? forFriends
      : forStrangers(setup, setup.judging)
  }receive_override_options = no_header_body_checks, no_unknown_recipient_checks, no_address_mappings

# The rate limits of anvil are meant for strangers; at 0 smtpd does not even ask it.
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0

# Do not slow clients down when mail comes in faster than it goes out.
in_flow_delay = 0

# Enough processes for every session, and let them live: forking is not what is measured.
default_process_limit = 200
max_use = 100000

# The queue manager may have the whole backlog in memory instead of rescanning the disk.
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 100000

# Twenty deliveries to the next hop at once, from the first message on: on two cores the best of
# 8, 20 and 50 measured in turn.
initial_destination_concurrency = 20
smtp_destination_concurrency_limit = 20
default_destination_concurrency_limit = 20
# Keep using an open connection while there is a backlog (the default, stated for the record).
smtp_connection_cache_on_demand = yes
smtp_connection_reuse_count_limit = 0
${setup.role === "hold" ? holding : ""}`;
}

const forFriends =
  `# The whole policy: relay for the loopback. No content inspection, as on the other side.
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject
`;

function forStrangers({ sinkPort }: PostfixSetup, judging: PostfixJudging): string {
  const { domain, milterPort } = judging;
  return `# Nobody is a friend: mail is taken for one domain only, whose mailboxes are behind LMTP.
mynetworks =
relay_domains = ${domain}
relay_transport = lmtp:inet:127.0.0.1:${sinkPort}
smtpd_recipient_restrictions = permit_auth_destination, reject
# What the milter has not judged is not taken.
smtpd_milters = inet:127.0.0.1:${milterPort}
milter_protocol = 6
milter_default_action = tempfail
`;
}

const noTls = `# No TLS on loopback, on neither side.
smtpd_tls_security_level = none
smtp_tls_security_level = none
`;

function tls({ certPath, keyPath }: BenchCertificate): string {
  return `# STARTTLS as the other side has it: 1.2 and 1.3, every handshake a full one.
smtpd_tls_security_level = may
smtpd_tls_chain_files = ${keyPath}, ${certPath}
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_mandatory_protocols = >=TLSv1.2
smtpd_tls_session_cache_database =
smtpd_tls_loglevel = 0
smtp_tls_security_level = none
`;
}

const holding = `
# Accept only: a message is put on hold when it is taken. Faster by a fifth than
# "defer_transports = smtp", which makes the queue manager write a deferral for every message.
smtpd_data_restrictions = check_client_access static:HOLD
`;

export function masterCf(setup: PostfixSetup): string {
  return `# service type private unpriv chroot wakeup maxproc command
# No chroot: it would have to be furnished first, and costs nothing once entered.
127.0.0.1:${setup.smtpPort} inet n - n - ${setup.maxSessions} smtpd
pickup     unix  n  -  n  60    1  pickup
cleanup    unix  n  -  n  -     0  cleanup
qmgr       unix  n  -  n  300   1  qmgr
rewrite    unix  -  -  n  -     -  trivial-rewrite
bounce     unix  -  -  n  -     0  bounce
defer      unix  -  -  n  -     0  bounce
trace      unix  -  -  n  -     0  bounce
verify     unix  -  -  n  -     1  verify
flush      unix  n  -  n  1000? 0  flush
proxymap   unix  -  -  n  -     -  proxymap
proxywrite unix  -  -  n  -     1  proxymap
smtp       unix  -  -  n  -     -  smtp
relay      unix  -  -  n  -     -  smtp
showq      unix  n  -  n  -     -  showq
error      unix  -  -  n  -     -  error
retry      unix  -  -  n  -     -  error
discard    unix  -  -  n  -     -  discard
local      unix  -  n  n  -     -  local
virtual    unix  -  n  n  -     -  virtual
lmtp       unix  -  -  n  -     -  lmtp
anvil      unix  -  -  n  -     1  anvil
scache     unix  -  -  n  -     1  scache
tlsmgr     unix  -  -  n  1000? 1  tlsmgr
postlog    unix-dgram n -  n -  1  postlogd
`;
}
