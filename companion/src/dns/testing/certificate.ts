import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export interface TestCertificate {
  readonly key: string;
  readonly cert: string;
}

/** A certificate for a name that signs itself: who trusts it as an authority trusts this one site. */
export async function makeTestCertificate(name: string): Promise<TestCertificate> {
  const folder = await mkdtemp(join(tmpdir(), "atlantic-dns-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  try {
    const kind = [
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
    ];
    const subject = ["-subj", "/CN=Atlantic test", "-addext", `subjectAltName=DNS:${name}`];
    await promisify(execFile)("openssl", ["req", ...kind, "-keyout", key, "-out", cert, ...subject]);
    return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
