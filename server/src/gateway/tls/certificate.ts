import { X509Certificate } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { selfSignedCertificate } from "./self-signed.ts";

/** Where a certificate and its key lie, in PEM; the certificate's file may hold the whole chain. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate that was read and fits its key. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
  /** SHA-256 of the certificate, as pairs of hexadecimal digits with colons. */
  readonly fingerprint: string;
  readonly expiresAt: Date;
}

/** A certificate that cannot be used. The message is one sentence for people. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}

/** @throws CertificateError when a file cannot be read, is no PEM, or the key is another certificate's */
export async function readCertificate(files: CertificateFiles): Promise<Certificate> {
  const [certificate, key] = await Promise.all([
    readPart(files.certificate, "certificate"),
    readPart(files.key, "key"),
  ]);
  try {
    createSecureContext({ cert: certificate, key });
    const { fingerprint256, validTo } = new X509Certificate(certificate);
    return { certificate, key, fingerprint: fingerprint256, expiresAt: new Date(validTo) };
  } catch (error) {
    throw new CertificateError(
      `The TLS certificate ${files.certificate} and the key ${files.key} do not work together (${reasonOf(error)}): give the two files of one pair, in PEM.`,
    );
  }
}

async function readPart(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CertificateError(
      `The TLS ${what} ${file} cannot be read (${reasonOf(error)}): correct the path or its permissions.`,
    );
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error ? String(error.code) : error.message;
}

const VALID_DAYS = 365;
const RENEW_DAYS = 30;

/**
 * A certificate of this machine's own, for trying TLS: made once in `directory`, and again before it expires. Several
 * processes may ask for it at the same moment and get the same one.
 */
export async function ownCertificateFiles(
  directory: string,
  hosts: readonly string[] = [],
): Promise<CertificateFiles> {
  const files = { certificate: join(directory, "certificate.pem"), key: join(directory, "key.pem") };
  if (await isFresh(files)) return files;
  const names = [
    "localhost",
    "127.0.0.1",
    "::1",
    hostname(),
    ...hosts.filter((host) => !/^[0:.]+$/.test(host)),
  ];
  const made = selfSignedCertificate([...new Set(names)], {
    from: new Date(Date.now() - 3_600_000),
    days: VALID_DAYS,
  });
  await rm(directory, { recursive: true, force: true });
  await mkdir(join(directory, ".."), { recursive: true, mode: 0o700 });
  const fresh = await mkdtemp(`${directory}-`);
  await writeFile(join(fresh, "key.pem"), made.key, { mode: 0o600 });
  await writeFile(join(fresh, "certificate.pem"), made.certificate, { mode: 0o644 });
  await rename(fresh, directory).catch(async (error: unknown) => {
    // Another process was faster: its pair is as good.
    await rm(fresh, { recursive: true, force: true });
    if (!(await isFresh(files))) throw error;
  });
  return files;
}

async function isFresh(files: CertificateFiles): Promise<boolean> {
  const certificate = await readCertificate(files).catch(() => undefined);
  if (certificate === undefined) return false;
  return certificate.expiresAt.getTime() - Date.now() > RENEW_DAYS * 86_400_000;
}

/**
 * Tells two states of the files from each other without reading them; programs that renew certificates replace the
 * files, or the link to their directory.
 */
export async function stateOfFiles({ certificate, key }: CertificateFiles): Promise<string> {
  const states = await Promise.all(
    [certificate, key].map((file) =>
      stat(file, { bigint: true }).then(
        ({ ino, size, mtimeNs }) => `${ino} ${size} ${mtimeNs}`,
        () => "missing",
      ),
    ),
  );
  return states.join(" / ");
}
