/** The sessions of one listener within a worker: smtp-server's, over sockets accepted elsewhere. */
import type { Socket } from "node:net";
import { SMTPServer } from "smtp-server";
import type { ListenerName, SessionServices } from "./session.ts";
import { SessionConnection } from "./session_connection.ts";

/** PEM texts. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Commands of smtp-server's that have no place here. */
const DISABLED = ["AUTH", "WIZ", "SHELL", "KILL", "XCLIENT", "XFORWARD"];

export class SessionServer extends SMTPServer {
  readonly #listener: ListenerName;
  readonly #services: SessionServices;
  readonly #sessions = new Set<SessionConnection>();

  constructor(
    listener: ListenerName,
    options: { readonly services: SessionServices; readonly certificate: Certificate },
  ) {
    const { policy } = options.services;
    super({
      name: policy.hostname,
      banner: "Sluice",
      heloResponse: "%s",
      secure: listener === "smtps",
      needsUpgrade: listener === "smtps",
      cert: options.certificate.cert,
      key: options.certificate.key,
      minVersion: "TLSv1.2",
      size: policy.maxMessageOctets,
      disabledCommands: DISABLED,
      authOptional: true,
      disableReverseLookup: true,
      hideENHANCEDSTATUSCODES: false,
      logger: false,
    });
    this.#listener = listener;
    this.#services = options.services;
    // A socket's fault ends its session; there is nobody else to tell.
    this.on("error", () => {});
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /**
   * Starts a session on an accepted socket, which it owns from now on.
   *
   * @param remote `onClosed`: called once, when the connection is gone.
   */
  adopt(
    socket: Socket,
    remote: { readonly address: string; readonly port: number; readonly onClosed: () => void },
  ): void {
    const { observer, policy } = this.#services;
    const connection: SessionConnection = new SessionConnection(this, socket, {
      client: {
        address: remote.address,
        port: remote.port,
        listener: this.#listener,
        mayRelay: policy.relayNetworks.contains(remote.address),
      },
      services: this.#services,
      onClosed: () => {
        this.#sessions.delete(connection);
        remote.onClosed();
      },
    });
    this.connections.add(connection);
    this.#sessions.add(connection);
    connection.on("error", () => connection.close());
    observer.opened(this.#listener);
    connection.init();
  }

  /** Ends sessions whose time ran out; call about once a second. */
  checkDeadlines(nowMs: number): void {
    for (const session of this.#sessions) session.checkDeadline(nowMs);
  }

  /** Ends each session once its transaction is over. */
  drain(): void {
    for (const session of this.#sessions) session.drain();
  }
}
