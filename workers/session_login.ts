/** Logins and sending limits of a session worker, put together from the modules that decide them. */
import type { Config } from "../config/schema.ts";
import { verifyPassword } from "../engine/crypto/password.ts";
import type { SecretBox } from "../engine/crypto/secret_box.ts";
import { sendingAnswer, sendingClaims } from "../engine/limits/sending_limit.ts";
import { Authenticator, DEFAULT_LOGIN_LIMITS } from "../engine/login/authenticator.ts";
import { failureDelayMs } from "../engine/login/lockouts.ts";
import type { LoginServices } from "../engine/smtp/session.ts";
import { ownsSender } from "../engine/smtp/submission.ts";
import type { Counters } from "../engine/store/counters.ts";
import type { AccountSource, Directory } from "../engine/store/directory.ts";
import { StoreUnavailableError } from "../engine/store/errors.ts";

export function loginServices(
  config: Config,
  stores: {
    readonly directory: Directory & AccountSource;
    readonly counters: Counters;
    readonly secrets: SecretBox;
  },
): LoginServices {
  const { directory, counters, secrets } = stores;
  const authenticator = new Authenticator({
    accounts: directory,
    counters,
    verifyPassword,
    openSecret: (sealed, context) => secrets.open(sealed, context),
    isStoreAway: (error) => error instanceof StoreUnavailableError,
    defaultDomain: config.serverDomain,
    cacheKey: crypto.getRandomValues(new Uint8Array(32)),
    limits: {
      ...DEFAULT_LOGIN_LIMITS,
      addressFailures: config.authFailuresPerAddress,
      addressWindowMs: config.authLockoutMs,
      userFailures: config.authFailuresPerUser,
    },
    now: Date.now,
  });
  const limits = {
    messagesPerHour: config.maxMessagesPerHour,
    messagesPerDay: config.maxMessagesPerDay,
  };
  return {
    authenticate: (credentials, client) => authenticator.authenticate(credentials, client),
    renew: (login) => authenticator.renew(login),
    failureDelayMs: (failures) => failureDelayMs(failures, { stepMs: config.authFailureDelayMs }),
    owns: async (account, sender) =>
      ownsSender(account, sender, {
        answer: await directory.lookup(sender.domain, sender.localPart),
      }),
    claim: async (account, recipients) => {
      const claims = sendingClaims(account, { recipients, limits });
      return sendingAnswer(claims, await counters.take(claims));
    },
    giveBack: (account, recipients) =>
      counters.giveBack(sendingClaims(account, { recipients, limits })),
  };
}
