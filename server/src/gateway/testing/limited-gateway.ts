import { randomUUID } from "node:crypto";
import { pino } from "pino";
import type { OpenDatabase } from "../../db/open.ts";
import { openGatewayLimits } from "../../gateway-limits.ts";
import { type StoredUsage, startStoredUsage } from "../../metering/stored-usage.ts";
import { startGateway } from "../gateway.ts";
import type { Gateway, GatewayOptions } from "../options.ts";
import { StoredCredentials } from "../stored-credentials.ts";
import { localUpstream } from "../upstreams/local-upstream.ts";
import { HMAC_KEY } from "./gateway-fixture.ts";

/** A real gateway with leases, limits and live changes, as the server puts them together. */
export interface LimitedGateway {
  readonly gateway: Gateway;
  readonly usage: StoredUsage;
  readonly gatewayId: string;
  close(): Promise<void>;
}

const logger = pino({ level: "silent" });

/** @param changes what differs from a gateway with local exits that may reach loopback */
export async function startLimitedGateway(
  database: OpenDatabase,
  changes: Partial<GatewayOptions> & { flushMs?: number; gatewayId?: string } = {},
): Promise<LimitedGateway> {
  const { flushMs = 50, gatewayId = randomUUID(), ...options } = changes;
  const { db } = database;
  const credentials = new StoredCredentials({ db, key: HMAC_KEY });
  const limits = await openGatewayLimits({ database, gatewayId, logger });
  const usage = await startStoredUsage({ db, gatewayId, logger, flushMs });
  const gateway = await startGateway({
    host: "127.0.0.1",
    port: 0,
    credentials,
    usage,
    flowLimits: limits.flowLimits,
    upstreams: [localUpstream("local")],
    targets: { allow: ["127.0.0.0/8"] },
    logger,
    ...options,
  });
  const following = await limits.follow({ gateway, usage, credentials });
  return {
    gateway,
    usage,
    gatewayId,
    close: async () => {
      await following.close();
      await gateway.close();
      await usage.close();
      await limits.close();
    },
  };
}
