/** A DNS server on loopback that answers what a test tells it to, however wrong. */
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { dnsPacket, type Packet, type PacketRecord } from "../dns_packet.ts";
import type { DnsServer } from "../servers.ts";

export interface HostileServer extends AsyncDisposable {
  readonly address: DnsServer;
  /** Queries received so far. */
  readonly seen: { udp: number; tcp: number };
}

export interface Behaviour {
  /** `send` answers from the server's port, `sendElsewhere` from another. */
  readonly udp?: (query: Buffer, via: {
    send: (octets: Uint8Array) => void;
    sendElsewhere: (octets: Uint8Array) => void;
  }) => void;
  /** `query` comes without its length; the socket is the test's to use and end. */
  readonly tcp?: (query: Buffer, socket: Socket) => void;
}

/** Starts on a port that is free for both UDP and TCP. */
export async function startHostileServer(behaviour: Behaviour): Promise<HostileServer> {
  const host = "127.0.0.1";
  const seen = { udp: 0, tcp: 0 };
  const sockets = new Set<Socket>();
  const stream = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.once("data", (framed: Buffer) => {
      seen.tcp++;
      behaviour.tcp?.(framed.subarray(2), socket);
    });
  });
  stream.listen(0, host);
  await once(stream, "listening");
  const { port } = stream.address() as AddressInfo;
  const datagrams = createSocket("udp4");
  const elsewhere = createSocket("udp4");
  datagrams.on("message", (query, from) => {
    seen.udp++;
    behaviour.udp?.(query, {
      send: (octets) => datagrams.send(octets, from.port, from.address),
      sendElsewhere: (octets) => elsewhere.send(octets, from.port, from.address),
    });
  });
  datagrams.bind(port, host);
  await once(datagrams, "listening");
  return {
    address: { host, port },
    seen,
    async [Symbol.asyncDispose]() {
      datagrams.close();
      elsewhere.close();
      for (const socket of sockets) socket.destroy();
      stream.close();
      await once(stream, "close");
    },
  };
}

/** The name a query asks for. */
export function nameIn(query: Buffer): string {
  const labels: string[] = [];
  let at = 12;
  while (query[at] !== 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + query[at]));
    at += query[at] + 1;
  }
  return labels.join(".");
}

/** A sound reply to a query, but for what `changes` says. */
export function reply(
  query: Buffer,
  answers: readonly PacketRecord[],
  changes: Partial<Packet> & { readonly type?: "response"; readonly asked?: string } = {},
): Buffer {
  const { asked = "A", ...packet } = changes;
  return dnsPacket.encode({
    id: query.readUInt16BE(0),
    flags: dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE,
    questions: [{ type: asked, name: nameIn(query), class: "IN" }],
    answers,
    ...packet,
    type: "response",
  });
}

/** With the two octets of its length in front (RFC 1035 §4.2.2). */
export function framed(octets: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(octets.length);
  return Buffer.concat([length, octets]);
}
