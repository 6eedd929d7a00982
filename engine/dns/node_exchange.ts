/**
 * Exchanges DNS messages over the sockets of `node:dgram` and `node:net`. Each UDP query has a socket
 * of its own and so a source port of the kernel's choosing (RFC 5452 §9.2), at some 45 µs of CPU.
 */
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import type { Exchange, ExchangeOptions, ExchangeResult } from "./exchange.ts";
import { UDP_PAYLOAD_OCTETS } from "./message.ts";
import { canonicalAddress } from "./name.ts";
import type { DnsServer } from "./servers.ts";

/** Datagrams from the server's address that are no reply, after which someone is guessing. */
const MAX_STRAYS = 8;

/** One query and its reply; every socket is closed when it resolves. */
export const nodeExchange: Exchange = (server, query, options) =>
  options.over === "udp"
    ? exchangeDatagrams(server, query, options)
    : exchangeStream(server, query, options);

function exchangeDatagrams(
  server: DnsServer,
  query: Uint8Array,
  options: ExchangeOptions,
): Promise<ExchangeResult> {
  return new Promise((resolve) => {
    const socket = createSocket(server.host.includes(":") ? "udp6" : "udp4");
    let strays = 0;
    const finish = endOnce(options, (result) => {
      socket.close();
      resolve(result);
    });
    socket.on("error", () => finish({ kind: "failed", reason: "unreachable" }));
    socket.on("message", (octets, from) => {
      const isServers = from.port === server.port &&
        (from.address === server.host || canonicalAddress(from.address) === server.host);
      if (!isServers) return;
      if (options.accepts(octets)) {
        // A larger one than asked for may have been put together from forged fragments.
        const isLarge = octets.length > UDP_PAYLOAD_OCTETS;
        finish(isLarge ? { kind: "dubious" } : { kind: "reply", octets });
      } else if (++strays >= MAX_STRAYS) {
        finish({ kind: "dubious" });
      }
    });
    socket.send(query, server.port, server.host, (error) => {
      if (error) finish({ kind: "failed", reason: "unreachable" });
    });
  });
}

/** RFC 1035 §4.2.2: each message behind two octets of its length. */
function exchangeStream(
  server: DnsServer,
  query: Uint8Array,
  options: ExchangeOptions,
): Promise<ExchangeResult> {
  return new Promise((resolve) => {
    const socket = connect(server.port, server.host);
    const chunks: Buffer[] = [];
    let received = 0;
    const finish = endOnce(options, (result) => {
      socket.destroy();
      resolve(result);
    });
    const finishCut = () =>
      finish({ kind: "failed", reason: received === 0 ? "unreachable" : "malformed" });
    socket.on("error", finishCut);
    socket.on("close", finishCut);
    socket.on("end", finishCut);
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received < 2) return;
      const [head] = chunks;
      const length = head.length === 1 ? head[0] * 256 + chunks[1][0] : head.readUInt16BE(0);
      if (received < 2 + length) return;
      const octets = Buffer.concat(chunks).subarray(2, 2 + length);
      finish(
        options.accepts(octets)
          ? { kind: "reply", octets }
          : { kind: "failed", reason: "malformed" },
      );
    });
    const framed = new Uint8Array(2 + query.length);
    framed[0] = query.length >> 8;
    framed[1] = query.length & 0xff;
    framed.set(query, 2);
    socket.write(framed);
  });
}

/** Passes on the first result only, be it the timeout or the abort, and clears both. */
function endOnce(
  options: ExchangeOptions,
  end: (result: ExchangeResult) => void,
): (result: ExchangeResult) => void {
  let isOver = false;
  const expire = () => finish({ kind: "failed", reason: "timeout" });
  const timer = setTimeout(expire, options.timeoutMs);
  options.signal.addEventListener("abort", expire, { once: true });
  const finish = (result: ExchangeResult) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    options.signal.removeEventListener("abort", expire);
    end(result);
  };
  return finish;
}
