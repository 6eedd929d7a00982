/**
 * A sender's reverse-path without what changes from message to message, so that his second one is known for his:
 * tags of BATV (draft-levine-smtp-batv), what SRS puts around a sender, extensions behind a plus sign, and
 * anything with a digit in it, as lists and bulk senders count (VERP). Good for telling senders apart loosely,
 * and for nothing that needs proof.
 */

/** In lower case; the null reverse-path stays what it is. */
export function senderName(reversePath: string): string {
  const at = reversePath.lastIndexOf("@");
  if (at < 0) return reversePath.toLowerCase();
  const local = withoutSrs(withoutBatv(reversePath.slice(0, at).toLowerCase()));
  const plus = local.indexOf("+");
  const name = plus > 0 ? local.slice(0, plus) : local;
  return `${withoutNumbers(name)}@${reversePath.slice(at + 1).toLowerCase()}`;
}

/**
 * `prvs=tag=name`, as most write it, and `prvs=name/tag`; others tag under
 * names of their own, `msprvs1` and `btv1`, say.
 */
function withoutBatv(local: string): string {
  const [scheme, tag, ...rest] = local.replace(/^btv1==([^=]*)==/, "prvs=$1=").split("=");
  if (!/^[a-z]{0,8}prvs\d?$/.test(scheme) || tag === undefined) return local;
  const slash = tag.lastIndexOf("/");
  if (rest.length === 0) return slash > 0 ? tag.slice(0, slash) : local;
  return rest.join("=");
}

/** Hash and day go, the sender inside and his domain stay. */
function withoutSrs(local: string): string {
  const kind = local.slice(0, 4);
  if ((kind !== "srs0" && kind !== "srs1") || !/[=+-]/.test(local.charAt(4))) return local;
  const parts = local.slice(5).split("=");
  if (kind === "srs0") return parts.length >= 4 ? `srs=${parts.slice(2).join("=")}` : local;
  // SRS1: the hash, the first forwarder, nothing, and what that one wrote, hash and day in front.
  return parts.length >= 6 ? `srs=${[parts[1], ...parts.slice(5)].join("=")}` : local;
}

function withoutNumbers(name: string): string {
  return name.split(/([-._=])/).map((word) => /\d/.test(word) ? "#" : word).join("");
}
