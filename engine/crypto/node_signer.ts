/** Signs with Node's crypto: everywhere, and for RSA slowly, since Deno has it in Rust. */
import { Buffer } from "node:buffer";
import { createPrivateKey, hash, sign } from "node:crypto";
import type { OpenSigner } from "./signer.ts";

export const openNodeSigner: OpenSigner = (algorithm, privateKey) => {
  const key = createPrivateKey({ key: Buffer.from(privateKey), format: "der", type: "pkcs8" });
  const wanted = algorithm === "rsa-sha256" ? "rsa" : "ed25519";
  if (key.asymmetricKeyType !== wanted) throw new Error(`The private key is not of ${algorithm}`);
  return {
    algorithm,
    sign: (octets) =>
      algorithm === "rsa-sha256"
        ? sign("sha256", octets, key)
        : sign(null, hash("sha256", octets, "buffer"), key),
    [Symbol.dispose]() {},
  };
};
