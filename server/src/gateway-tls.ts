import { createHmac } from "node:crypto";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { CertificateError, ownCertificateFiles, readCertificate } from "./gateway/tls/certificate.ts";
import type { TlsDoorOptions } from "./gateway/tls/tls-door.ts";
import type { Secrets } from "./secrets.ts";

/** What people need to know of the gateway's TLS port. */
export interface GatewayTlsAddress {
  readonly port: number;
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  /** The certificate's file, for clients that are to trust it. */
  readonly certificate: string;
  /** Whether the gateway made it itself, so that no client trusts it by itself. */
  readonly selfSigned: boolean;
}

/** The TLS port as it is set up; null when it is off. */
export interface GatewayTls {
  readonly options: TlsDoorOptions;
  readonly address: GatewayTlsAddress;
}

/** @throws ConfigError when the certificate cannot be used */
export async function readGatewayTls(config: Config, secrets: Secrets): Promise<GatewayTls | null> {
  const { tls } = config.gateway;
  if (tls === null) return null;
  try {
    const files =
      tls.files ?? (await ownCertificateFiles(join(config.directory, "tls"), [config.gateway.host]));
    const { fingerprint } = await readCertificate(files);
    return {
      options: { port: tls.port, files, ticketSecret: ticketSecret(secrets) },
      address: {
        port: tls.port,
        fingerprint,
        certificate: files.certificate,
        selfSigned: tls.files === null,
      },
    };
  } catch (error) {
    if (error instanceof CertificateError) throw new ConfigError(error.message);
    throw error;
  }
}

/** All processes of a gateway open one another's tickets. */
function ticketSecret(secrets: Secrets): Uint8Array {
  return createHmac("sha256", Buffer.from(secrets.credentials, "hex")).update("TLS tickets").digest();
}
