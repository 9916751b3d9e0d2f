import { execFile } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** For Chrome's --ignore-certificate-errors-spki-list: SHA-256 of the public key, base64. */
  readonly spki: string;
}

/** Makes a certificate for the test sites; Chrome is told to trust exactly this key. */
export async function makeCertificate(directory: string, names: readonly string[]): Promise<Certificate> {
  const [key, cert] = [join(directory, "site.key"), join(directory, "site.crt")];
  const alternatives = names.flatMap((name) => [`DNS:${name}`, `DNS:*.${name}`]).join(",");
  await promisify(execFile)("openssl", [
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", "/CN=atlantic test sites", "-addext", `subjectAltName=${alternatives}`, "-keyout", key, "-out", cert,
  ]); // biome-ignore format: one option and its value side by side
  const text = await readFile(cert, "utf8");
  const { publicKey } = new X509Certificate(text);
  const spki = createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");
  return { key: await readFile(key, "utf8"), cert: text, spki };
}
