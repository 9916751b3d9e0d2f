import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../net/run.ts";

/** Files of a certificate authority made for one lab, and of the one certificate that it signed. */
export interface Certificates {
  /** What a client must trust, PEM. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** Makes an authority and a certificate for `names`, valid for two days, in `folder`. */
export async function makeCertificates(folder: string, names: readonly string[]): Promise<Certificates> {
  const file = (name: string) => join(folder, name);
  const authorityKey = file("authority.key");
  const request = file("site.csr");
  const extensions = file("site.ext");
  const made = { authority: file("authority.pem"), certificate: file("site.pem"), key: file("site.key") };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const subject = ["-subj", "/CN=Atlantic lab authority"];
  await must([
    "openssl",
    "req",
    "-x509",
    ...newKey,
    "-keyout",
    authorityKey,
    "-out",
    made.authority,
    "-days",
    "2",
    ...subject,
  ]);
  await must([
    "openssl",
    "req",
    ...newKey,
    "-keyout",
    made.key,
    "-out",
    request,
    "-subj",
    "/CN=Atlantic lab",
  ]);
  writeFileSync(extensions, `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}\n`);
  const signer = ["-CA", made.authority, "-CAkey", authorityKey, "-CAcreateserial"];
  await must([
    "openssl",
    "x509",
    "-req",
    "-in",
    request,
    ...signer,
    "-out",
    made.certificate,
    "-days",
    "2",
    "-extfile",
    extensions,
  ]);
  return made;
}
