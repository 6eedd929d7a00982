/**
 * Listening sockets of the main thread: yields every accepted connection as a bare descriptor that a
 * worker can adopt. One blocking `poll` on a thread of its own waits for all of them; `accept4` then
 * drains each until it is empty.
 */
import {
  addressFamily,
  decodeSockaddr,
  EAGAIN,
  ECONNABORTED,
  EINTR,
  encodeSockaddr,
  type Endpoint,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  type Libc,
  openLibc,
  POLLIN,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOCKADDR_OCTETS,
  SOL_SOCKET,
} from "./ffi_libc.ts";

export interface ListenerSpec<Name extends string = string> extends Endpoint {
  /** What the port is for; comes back with each connection. */
  readonly name: Name;
}

export interface AcceptedConnection<Name extends string = string> {
  /** Owned by the receiver, who closes it. */
  readonly fd: number;
  readonly listener: Name;
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

export interface ListenerOptions<Name extends string> {
  readonly listeners: readonly ListenerSpec<Name>[];
  /** Gets what one wake-up accepted, never empty. */
  readonly onConnections: (connections: readonly AcceptedConnection<Name>[]) => void;
  /** Accepting failed (out of descriptors, say); it goes on after `RETRY_DELAY_MS`. */
  readonly onError: (error: Error) => void;
}

/** The kernel caps it at net.core.somaxconn. */
const BACKLOG = 4096;
/** Accepts at one wake-up, so that the main thread stays responsive under a flood. */
const ACCEPTS_PER_WAKE = 256;
const RETRY_DELAY_MS = 100;

export class FfiListener<Name extends string> implements AsyncDisposable {
  readonly #libc: Libc;
  readonly #options: ListenerOptions<Name>;
  readonly #fds: number[] = [];
  readonly #wakeFd: number;
  #isClosing = false;
  readonly #done: Promise<void>;

  /** Binds and listens at once. @throws {Error} naming the endpoint that could not be bound. */
  constructor(options: ListenerOptions<Name>) {
    this.#libc = openLibc();
    this.#options = options;
    this.#wakeFd = this.#libc.symbols.eventfd(0, SOCK_CLOEXEC);
    try {
      for (const spec of options.listeners) this.#fds.push(this.#listen(spec));
    } catch (error) {
      this.#closeAll();
      throw error;
    }
    this.#done = this.#run();
  }

  /** Closes a descriptor that no worker will take. */
  closeConnection(fd: number): void {
    this.#libc.symbols.close(fd);
  }

  /** Writes one short line to a connection that is about to be closed; what does not fit is lost. */
  sayGoodbye(fd: number, line: string): void {
    const octets = new TextEncoder().encode(line);
    this.#libc.symbols.write(fd, octets, BigInt(octets.length));
    this.#libc.symbols.close(fd);
  }

  /** Stops accepting; connections handed out live on. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      this.#libc.symbols.write(this.#wakeFd, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), 8n);
    }
    await this.#done;
  }

  #listen(spec: ListenerSpec<Name>): number {
    const { symbols } = this.#libc;
    const family = addressFamily(spec.address);
    const fd = symbols.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const on = new Uint8Array([1, 0, 0, 0]);
    if (fd >= 0) symbols.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, on, 4);
    if (fd >= 0 && spec.address.includes(":")) {
      symbols.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, on, 4);
    }
    const sockaddr = encodeSockaddr(spec);
    if (
      fd < 0 || symbols.bind(fd, sockaddr, sockaddr.length) < 0 || symbols.listen(fd, BACKLOG) < 0
    ) {
      const errno = this.#errno();
      if (fd >= 0) symbols.close(fd);
      throw new Error(
        `Cannot listen on ${spec.address} port ${spec.port}: ${reasonOf(errno)}`,
      );
    }
    return fd;
  }

  async #run(): Promise<void> {
    const polled = new Uint8Array((this.#fds.length + 1) * 8);
    const view = new DataView(polled.buffer);
    [...this.#fds, this.#wakeFd].forEach((fd, i) => {
      view.setInt32(i * 8, fd, true);
      view.setInt16(i * 8 + 4, POLLIN, true);
    });
    while (!this.#isClosing) {
      const ready = await this.#libc.symbols.poll(polled, BigInt(this.#fds.length + 1), -1);
      if (this.#isClosing) break;
      if (ready <= 0) continue;
      const failure = this.#acceptReady(view);
      if (failure) {
        this.#options.onError(failure);
        await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
      }
    }
    this.#closeAll();
    this.#libc.close();
  }

  #acceptReady(view: DataView): Error | null {
    const accepted: AcceptedConnection<Name>[] = [];
    let failure: Error | null = null;
    for (let i = 0; i < this.#fds.length; i++) {
      if (view.getInt16(i * 8 + 6, true) !== 0) failure ??= this.#drain(i, accepted);
    }
    if (accepted.length > 0) this.#options.onConnections(accepted);
    return failure;
  }

  #drain(index: number, accepted: AcceptedConnection<Name>[]): Error | null {
    const { name, address, port } = this.#options.listeners[index]!;
    const sockaddr = new Uint8Array(SOCKADDR_OCTETS);
    const length = new Uint32Array(1);
    for (let i = 0; i < ACCEPTS_PER_WAKE; i++) {
      length[0] = SOCKADDR_OCTETS;
      const fd = this.#libc.symbols.accept4(
        this.#fds[index]!,
        sockaddr,
        new Uint8Array(length.buffer),
        SOCK_NONBLOCK | SOCK_CLOEXEC,
      );
      if (fd >= 0) {
        const remote = decodeSockaddr(sockaddr);
        accepted.push({ fd, listener: name, local: { address, port }, remote });
        continue;
      }
      const errno = this.#errno();
      if (errno === EAGAIN) return null;
      if (errno === EINTR || errno === ECONNABORTED) continue;
      return new Error(`Cannot accept on ${address} port ${port}: ${reasonOf(errno)}`);
    }
    return null;
  }

  #errno(): number {
    const location = this.#libc.symbols.__errno_location();
    return location === null ? 0 : new Deno.UnsafePointerView(location).getInt32();
  }

  #closeAll(): void {
    for (const fd of this.#fds.splice(0)) this.#libc.symbols.close(fd);
    this.#libc.symbols.close(this.#wakeFd);
  }
}

const REASONS: Readonly<Record<number, string>> = {
  1: "not permitted",
  13: "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)",
  23: "too many open files on this machine",
  24: "too many open files (raise the limit: ulimit -n)",
  97: "address family not supported",
  98: "address already in use",
  99: "no such address on this machine",
};

function reasonOf(errno: number): string {
  return REASONS[errno] ?? `errno ${errno}`;
}
