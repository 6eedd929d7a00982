/** The server's certificate: the operator's files, watched for renewal, or one we make ourselves. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isUsable, makeSelfSigned } from "../crypto/self_signed.ts";
import type { Certificate } from "../smtp/certificate_choice.ts";

export interface CertificateFiles {
  readonly certPath: string;
  readonly keyPath: string;
  readonly isSelfSigned: boolean;
}

const CHECK_MS = 5_000;

/** The operator's files, or ours in `dataDir`, made now unless a good pair is there. */
export async function certificateFiles(options: {
  readonly certPath: string | null;
  readonly keyPath: string | null;
  readonly dataDir: string;
  readonly names: readonly string[];
  readonly nowMs: number;
}): Promise<CertificateFiles> {
  const { certPath, keyPath, dataDir } = options;
  if (certPath !== null && keyPath !== null) return { certPath, keyPath, isSelfSigned: false };
  const files = {
    certPath: `${dataDir}/tls/cert.pem`,
    keyPath: `${dataDir}/tls/key.pem`,
    isSelfSigned: true,
  };
  try {
    const { cert } = await readCertificate(files);
    if (isUsable(cert, options)) return files;
  } catch {
    // Not there yet, or half of it, after a crash: it is ours to make.
  }
  const made = await makeSelfSigned(options.names, options);
  await Deno.mkdir(`${dataDir}/tls`, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(files.keyPath, made.key, { mode: 0o600 });
  await Deno.writeTextFile(files.certPath, made.cert, { mode: 0o644 });
  return files;
}

/**
 * A certificate and the key it belongs to.
 * @throws {Error} naming the file that cannot be read or used.
 */
export async function readCertificate(files: CertificateFiles): Promise<Certificate> {
  const [cert, key] = await Promise.all([
    Deno.readTextFile(files.certPath),
    Deno.readTextFile(files.keyPath),
  ]);
  const leaf = parsed(files.certPath, () => new X509Certificate(cert));
  const privateKey = parsed(files.keyPath, () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new Error(`${files.keyPath} is not the key of the certificate in ${files.certPath}`);
  }
  return { cert, key };
}

/** What OpenSSL says of a file that it cannot read is not for people. */
function parsed<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new Error(`${path} does not hold what it should in PEM`, { cause });
  }
}

/** Reports a pair that changed and can be used; one half written is looked at again, and reported once. */
export function watchCertificate(
  files: CertificateFiles,
  options: {
    readonly current: Certificate;
    readonly now: () => number;
    readonly onChange: (certificate: Certificate) => void;
    readonly onError: (error: unknown) => void;
    readonly checkMs?: number;
  },
): Disposable {
  let known = options.current;
  let reported = "";
  const look = async () => {
    const certificate = await readCertificate(files);
    if (certificate.cert === known.cert && certificate.key === known.key) return;
    if (!isUsable(certificate.cert, { nowMs: options.now() })) {
      throw new Error(`${files.certPath} has run out`);
    }
    options.onChange(certificate);
    known = certificate;
  };
  const timer = setInterval(async () => {
    try {
      await look();
      reported = "";
    } catch (error) {
      if (String(error) === reported) return;
      reported = String(error);
      options.onError(error);
    }
  }, options.checkMs ?? CHECK_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
