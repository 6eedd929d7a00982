/**
 * Messages made to hurt whoever reads them: too deep, too many, too long, cut short, in no known encoding,
 * or shaped so that a careless search goes over them again and again. The same seed gives the same
 * messages. Built when their octets are asked for, so that taking a few of them is cheap.
 */
import { Buffer } from "node:buffer";
import { type Entry, mail, multipart, octetsOf } from "./hostile_mail.ts";
import { bombs, boundaries, nesting, parts } from "./hostile_structure.ts";
import { baits, encodings, headers, markup, names } from "./hostile_text.ts";

export interface HostileMessage {
  readonly name: string;
  /** Built anew at each reading. */
  readonly octets: Uint8Array;
}

export interface HostileOptions {
  /** 1 when left out. */
  readonly seed?: number;
  /** Honest messages to spoil besides those built in. */
  readonly honest?: readonly Uint8Array[];
}

/** Over a thousand, each with a name of its own. */
export function* hostileMessages(options: HostileOptions = {}): Generator<HostileMessage> {
  const { seed = 1, honest = [] } = options;
  for (const entries of FAMILIES) yield* messagesOf(entries());
  yield* messagesOf(spoiled(seed, [...HONEST.map((text) => octetsOf(text)), ...honest]));
  yield* messagesOf(noise(seed));
}

function* messagesOf(entries: Iterable<Entry>): Generator<HostileMessage> {
  for (const [name, build] of entries) {
    yield {
      name,
      get octets() {
        return octetsOf(build());
      },
    };
  }
}

const FAMILIES = [nesting, parts, headers, baits, markup, boundaries, encodings, names, bombs];

const HONEST = [
  mail(
    "Content-Type: text/plain; charset=utf-8\r\n",
    "Hello Bob,\r\n\r\nsee https://a.example/.\r\n",
  ),
  multipart(
    "=_a",
    "--=_a\r\nContent-Type: text/plain; charset=iso-8859-1\r\n" +
      "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe aus K=F6ln, =\r\nAnn\r\n" +
      "--=_a\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
      Buffer.from('<p style="color:#fff">Hi <a href="http://b.example">there</a>&nbsp;&#8364;</p>')
        .toString("base64") +
      "\r\n--=_a--\r\n",
    "alternative",
  ),
  multipart(
    "b",
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?b?4oKs?=\r\n\r\ninner\r\n--b\r\n" +
      "Content-Type: application/pdf; name*0*=utf-8''a%20; name*1=b.pdf\r\n" +
      "Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--b--\r\n",
  ),
];

/** Honest messages cut, flipped, doubled and shuffled. */
function* spoiled(seed: number, honest: readonly Uint8Array[]): Generator<Entry> {
  for (const [index, octets] of honest.entries()) {
    const random = randomFrom(seed * 1_000 + index);
    const pick = (below: number) => Math.floor(random() * below);
    for (let turn = 0; turn < 20; turn++) {
      const end = pick(octets.length);
      yield [`spoiled: ${index} cut for the ${turn}th time`, () => octets.subarray(0, end)];
      const flips = Array.from({ length: 1 + turn }, () => [pick(octets.length), 1 << pick(8)]);
      yield [`spoiled: ${index} with ${flips.length} bits flipped`, () => {
        const flipped = new Uint8Array(octets);
        for (const [at, bit] of flips) flipped[at] ^= bit;
        return flipped;
      }];
      const from = pick(octets.length);
      yield [
        `spoiled: ${index} with its pieces exchanged for the ${turn}th time`,
        () =>
          Buffer.concat([octets.subarray(from), octets.subarray(end), octets.subarray(0, from)]),
      ];
    }
  }
}

function* noise(seed: number): Generator<Entry> {
  const alphabet = [
    "\r\n",
    "\n",
    "--b",
    "=",
    "<",
    ">",
    '"',
    " ",
    "\t",
    ";",
    ":",
    "=?",
    "?=",
    "&",
    "(",
    "a",
  ];
  for (let turn = 0; turn < 40; turn++) {
    const size = 2 ** (4 + turn % 14);
    yield [`noise: ${size} octets, ${turn}`, () => {
      const random = randomFrom(seed * 7_919 + turn);
      return Uint8Array.from({ length: size }, () => random() * 256);
    }];
    yield [`noise: ${size} of what matters, ${turn}`, () => {
      const random = randomFrom(seed * 104_729 + turn);
      const pick = () => alphabet[Math.floor(random() * alphabet.length)];
      return multipart("b", Array.from({ length: size }, pick).join(""));
    }];
  }
}

/** Mulberry32: small, and the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 4_294_967_296;
  };
}
