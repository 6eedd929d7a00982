/** The server's certificate: the operator's files, watched for renewal, or one we make ourselves. */
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
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const made = await makeSelfSigned(options.names, options);
  await Deno.mkdir(`${dataDir}/tls`, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(files.keyPath, made.key, { mode: 0o600 });
  await Deno.writeTextFile(files.certPath, made.cert, { mode: 0o644 });
  return files;
}

/** @throws {Error} naming the file that cannot be read. */
export async function readCertificate(files: CertificateFiles): Promise<Certificate> {
  const [cert, key] = await Promise.all([
    Deno.readTextFile(files.certPath),
    Deno.readTextFile(files.keyPath),
  ]);
  return { cert, key };
}

/** Reports a pair that changed and can be used; a pair half written is looked at again later. */
export function watchCertificate(
  files: CertificateFiles,
  options: {
    readonly current: Certificate;
    readonly now: () => number;
    readonly onChange: (certificate: Certificate) => void;
    readonly onError: (error: unknown) => void;
  },
): Disposable {
  let { cert: known } = options.current;
  const timer = setInterval(async () => {
    try {
      const certificate = await readCertificate(files);
      if (certificate.cert === known) return;
      if (!isUsable(certificate.cert, { nowMs: options.now() })) return;
      known = certificate.cert;
      options.onChange(certificate);
    } catch (error) {
      options.onError(error);
    }
  }, CHECK_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
