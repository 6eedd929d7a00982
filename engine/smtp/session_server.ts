/** The sessions of one listener within a worker: smtp-server's, over sockets accepted elsewhere. */
import type { Socket } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import { SMTPServer } from "smtp-server";
import { type Certificate, type CertificateSet, pickCertificate } from "./certificate_choice.ts";
import type { ListenerName, SessionServices } from "./session.ts";
import { SessionConnection } from "./session_connection.ts";

/** Commands of smtp-server's that have no place here. */
const DISABLED = ["WIZ", "SHELL", "KILL", "XCLIENT", "XFORWARD"];

/** Certificates and what TLS makes of them, each made when it is first asked for. */
interface Contexts {
  readonly certificates: CertificateSet;
  readonly byCertificate: Map<Certificate, SecureContext>;
}

function contextsOf(certificates: CertificateSet): Contexts {
  return { certificates, byCertificate: new Map() };
}

export class SessionServer extends SMTPServer {
  readonly #listener: ListenerName;
  readonly #services: SessionServices;
  readonly #sessions = new Set<SessionConnection>();
  #contexts: Contexts;

  constructor(
    listener: ListenerName,
    options: { readonly services: SessionServices; readonly certificates: CertificateSet },
  ) {
    const { policy } = options.services;
    const { fallback } = options.certificates;
    super({
      name: policy.hostname,
      banner: "Sluice",
      heloResponse: "%s",
      secure: listener === "smtps",
      needsUpgrade: listener === "smtps",
      cert: fallback.cert,
      key: fallback.key,
      minVersion: "TLSv1.2",
      SNICallback: (serverName, answer) => answer(null, this.#contextFor(serverName)),
      authMethods: [...policy.authMethods],
      size: policy.maxMessageOctets,
      disabledCommands: DISABLED,
      authOptional: true,
      disableReverseLookup: true,
      hideENHANCEDSTATUSCODES: false,
      logger: false,
    });
    this.#listener = listener;
    this.#services = options.services;
    this.#contexts = contextsOf(options.certificates);
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
        account: null,
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

  /** Serves these from the next handshake on; sessions under way keep theirs. */
  useCertificates(certificates: CertificateSet): void {
    this.#contexts = contextsOf(certificates);
    const { cert, key } = certificates.fallback;
    this.updateSecureContext({ cert, key });
  }

  /** `undefined`: the one for clients that name no server. */
  #contextFor(serverName: string): SecureContext | undefined {
    const certificate = pickCertificate(this.#contexts.certificates, serverName, Date.now());
    if (certificate === null) return undefined;
    let context = this.#contexts.byCertificate.get(certificate);
    if (context === undefined) {
      const { cert, key } = certificate;
      context = createSecureContext({ cert, key, minVersion: "TLSv1.2" });
      this.#contexts.byCertificate.set(certificate, context);
    }
    return context;
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
