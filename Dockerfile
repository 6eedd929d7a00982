# Sluice in a container: everything is fetched while the image is built, and nothing when it starts.
#   docker build --tag sluice .
#   docker run --init --publish 25:2525 --volume sluice-data:/var/lib/sluice sluice
FROM denoland/deno:2.9.6

# RSA signatures come from libcrypto, which the base need not have.
RUN apt-get update && \
  apt-get install --yes --no-install-recommends libssl3 && \
  rm -rf /var/lib/apt/lists/*
RUN install --directory --owner=deno --group=deno --mode=0700 /var/lib/sluice
WORKDIR /app
USER deno

# The packages in a layer of their own, checked against the lock file.
COPY --chown=deno:deno deno.json deno.lock ./
RUN ["deno", "install", "--frozen"]

COPY --chown=deno:deno LICENSE ./
COPY --chown=deno:deno config ./config
COPY --chown=deno:deno engine ./engine
COPY --chown=deno:deno workers ./workers
RUN ["deno", "cache", "--frozen", \
  "engine/main.ts", "engine/cli.ts", "engine/migrate.ts", "engine/probe.ts", \
  "engine/store/pglite_server.ts", "workers/session.ts", "workers/delivery.ts", "workers/policy.ts"]

# Inside the container every address is the container's own: what is published decides who connects.
ENV DATA_DIR=/var/lib/sluice \
  LISTEN_ADDRESS=0.0.0.0 \
  HTTP_ADDRESS=0.0.0.0 \
  LOG_FORMAT=json \
  DENO_NO_UPDATE_CHECK=1
VOLUME ["/var/lib/sluice"]
# SMTP, submission, submission over TLS, health and metrics.
EXPOSE 2525 2587 2465 9090

HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["deno", "run", "--no-prompt", "--allow-net=127.0.0.1", "--allow-env=HTTP_PORT", "engine/probe.ts"]

# The words of the task `serve` in deno.json.
STOPSIGNAL SIGTERM
ENTRYPOINT [ \
  "deno", \
  "run", \
  "--no-prompt", \
  "--allow-net", \
  "--allow-read", \
  "--allow-write", \
  "--allow-sys=hostname", \
  "--allow-ffi", \
  "--allow-env=SERVER_HOSTNAME,SERVER_DOMAIN,LISTEN_ADDRESS,SMTP_PORT,SUBMISSION_PORT,SMTPS_PORT,HTTP_ADDRESS,HTTP_PORT,DATABASE_URL,REDIS_URL,DATA_DIR,TLS_CERT_PATH,TLS_KEY_PATH,SECRET_KEY,ACME_DIRECTORY_URL,ACME_EMAIL,ACME_HTTP_PORT,ACME_DNS_HOOK,ENABLE_AUTH,AUTH_METHODS,ALLOW_AUTH_WITHOUT_TLS,AUTH_FAILURES_PER_ADDRESS,AUTH_FAILURES_PER_USER,AUTH_LOCKOUT_S,AUTH_FAILURE_DELAY_S,ENABLE_VRFY,MAX_MESSAGES_PER_HOUR,MAX_MESSAGES_PER_DAY,MAX_MESSAGE_BYTES,MAX_RECIPIENTS,MAX_RECEIVED_HOPS,SMARTHOST,RELAY_NETWORKS,DELIVERY_PORT,DNS_SERVERS,SESSION_WORKERS,DELIVERY_WORKERS,GREET_PAUSE_MS,SESSION_IDLE_TIMEOUT_S,SESSION_MEMORY_BYTES,MAX_CONNECTIONS,MAX_CONNECTIONS_PER_IP,TRUSTED_NETWORKS,DNS_LISTS,DNS_LISTS_REJECT_WEIGHT,LINK_LISTS,DNS_LIST_TIMEOUT_S,REVERSE_DNS,HELO_CHECK,TARPIT_MAX_S,RATE_CONNECTIONS_PER_IP,RATE_CONNECTIONS_PER_NET,RATE_MESSAGES_PER_IP,RATE_MESSAGES_PER_NET,RATE_RECIPIENTS_PER_IP,RATE_RECIPIENTS_PER_NET,RATE_MESSAGES_PER_SENDER_DOMAIN,RATE_RECIPIENTS_PER_SENDER_DOMAIN,RATE_MESSAGES_PER_RECIPIENT,SPF_FAIL,DMARC_POLICY,DMARC_QUARANTINE,DMARC_EXEMPT_DOMAINS,ARC_TRUSTED_SEALERS,AUTH_TEMPERROR,GREYLIST,GREYLIST_DELAY_S,GREYLIST_WINDOW_S,GREYLIST_KNOWN_DAYS,ENABLE_SPAM_FILTER,SPAM_TAG_SCORE,SPAM_GREYLIST_SCORE,SPAM_QUARANTINE_SCORE,SPAM_REJECT_SCORE,SPAM_RULES_PATH,JUNK_FOLDER,QUARANTINE_DAYS,RSPAMD_URL,RSPAMD_TIMEOUT_S,RSPAMD_ON_FAILURE,RSPAMD_WEIGHT,CLAMD_ADDRESS,CLAMD_TIMEOUT_S,CLAMD_ON_FAILURE,MILTERS,MILTERS_TIMEOUT_S,MILTERS_ON_FAILURE,POLICY_MODULE,POLICY_TIMEOUT_S,POLICY_ON_FAILURE,DMARC_REPORTS,DMARC_REPORT_FROM,DMARC_REPORTS_TO,SHUTDOWN_GRACE_S,RETRY_FIRST_DELAY_S,RETRY_MAX_DELAY_S,RETRY_GROWTH,QUEUE_LIFETIME_S,HISTORY_DAYS,CONNECTIONS_PER_DESTINATION,DELIVERY_IDLE_S,DELIVERY_CONNECT_TIMEOUT_S,DELIVERY_COMMAND_TIMEOUT_S,LEASE_S,LOG_LEVEL,LOG_FORMAT", \
  "--ignore-env", \
  "engine/main.ts" \
]
