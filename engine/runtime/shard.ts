/**
 * Which session worker a connection goes to: rendezvous hashing by client network, with bounded load.
 * A client meets its home worker unless that one holds over 1.25 times the mean; then its next choice.
 */

/** Above the mean, so that a lone busy client does not sit on one core. */
const LOAD_FACTOR = 1.25;

/** What clients are told apart by: an IPv4 address, or the /64 of an IPv6 one. */
export function clientNetwork(address: string): string {
  if (!address.includes(":")) return address;
  const [head, tail] = address.split("::") as [string, string | undefined];
  const groups = head ? head.split(":") : [];
  if (tail !== undefined) {
    const last = tail ? tail.split(":") : [];
    while (groups.length + last.length < 8) groups.push("0");
    groups.push(...last);
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/**
 * The index of the worker to take the connection, or -1 when there is none.
 *
 * @param loads connections each worker holds; `null` for one that takes none now.
 */
export function chooseWorker(network: string, loads: readonly (number | null)[]): number {
  let total = 0;
  let open = 0;
  for (const load of loads) {
    if (load === null) continue;
    total += load;
    open++;
  }
  const limit = Math.ceil((total + 1) / open * LOAD_FACTOR);
  let best = -1;
  let bestScore = -1;
  for (let worker = 0; worker < loads.length; worker++) {
    const load = loads[worker];
    if (load === null || load === undefined || load >= limit) continue;
    const score = hash(network, worker);
    if (score > bestScore) {
      best = worker;
      bestScore = score;
    }
  }
  return best;
}

/** FNV-1a with a finish, so that neighbouring addresses part. */
function hash(text: string, seed: number): number {
  let value = 0x811c9dc5 ^ Math.imul(seed + 1, 0x9e3779b1);
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ value >>> 16, 0x85ebca6b);
  value = Math.imul(value ^ value >>> 13, 0xc2b2ae35);
  return (value ^ value >>> 16) >>> 0;
}
