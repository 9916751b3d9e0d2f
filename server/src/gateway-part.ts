import type { Logger } from "pino";
import type { Config } from "./config.ts";
import type { OpenDatabase } from "./db/open.ts";
import type { CredentialVerifier } from "./gateway/credential.ts";
import { StoredCredentials } from "./gateway/stored-credentials.ts";
import type { PartHealth } from "./http/health.ts";
import type { Secrets } from "./secrets.ts";
import { type LiveGateway, noGateway } from "./services/live-gateway.ts";
import type { GatewayAddress } from "./services/proxy.ts";

/** The gateway as the rest of the server sees it. */
export interface GatewayPart {
  readonly live: LiveGateway;
  readonly verifier: CredentialVerifier;
  readonly address: () => GatewayAddress;
  readonly demonstration: { readonly echoHost: string; readonly echoAddress: string } | null;
  readonly health: () => PartHealth;
  close(): Promise<void>;
}

/** Starts the gateway, with its metering and the demonstration's echo site, when it is a role of this process. */
export async function startGatewayPart(parts: {
  config: Config;
  database: OpenDatabase;
  secrets: Secrets;
  log: Logger;
}): Promise<GatewayPart> {
  const { config, database, secrets } = parts;
  const verifier = new StoredCredentials({ db: database.db, key: Buffer.from(secrets.credentials, "hex") });
  return {
    live: { ...noGateway, disconnectCredential: forgetting(verifier) },
    verifier,
    address: () => config.gateway,
    demonstration: null,
    health: () => ({ state: "off", detail: "not a role of this process" }),
    close: async () => {},
  };
}

/** Without a gateway there is nothing to cut, but what is cached of a credential must go all the same. */
function forgetting(verifier: CredentialVerifier): LiveGateway["disconnectCredential"] {
  return (credentialId) => {
    verifier.forget(credentialId);
    return 0;
  };
}
