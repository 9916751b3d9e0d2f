import type { Logger } from "pino";
import { openChangeFeed } from "./changes/change-feed.ts";
import type { OpenDatabase } from "./db/open.ts";
import type { FlowLimitSource } from "./gateway/flow-limits.ts";
import { CredentialLimits } from "./gateway/limits/credential-limits.ts";
import { followChanges } from "./gateway/limits/live-changes.ts";
import type { Gateway } from "./gateway/options.ts";
import type { StoredCredentials } from "./gateway/stored-credentials.ts";
import { LeasedAllowances } from "./metering/leased-allowances.ts";
import type { Lease, LeaseWish } from "./metering/leases.ts";
import { openStoredLeases } from "./metering/stored-leases.ts";

/** What limits need of the gateway and its metering, which are made after them. */
interface LimitedGateway {
  readonly gateway: Gateway;
  readonly usage: {
    flush(): Promise<void>;
    flushAndTake(wish: LeaseWish): Promise<Lease | undefined>;
    onUsage(listener: (userId: string) => void): () => void;
  };
  readonly credentials: StoredCredentials;
}

/** A gateway's limits: leases out of the balances, and what is set for each credential. */
export interface GatewayLimitsPart {
  readonly flowLimits: FlowLimitSource;
  /** From now on what changes takes effect on this gateway's open flows. To be ended before the gateway. */
  follow(limited: LimitedGateway): Promise<{ close(): Promise<void> }>;
  /** What this process holds of balances: accounts, bytes, and when it was last renewed, ms since 1970. */
  held(): { readonly accounts: number; readonly bytes: number; readonly renewedAt: number };
  /** Gives the leases back. To be called when the last usage is written. */
  close(): Promise<void>;
}

export async function openGatewayLimits(parts: {
  database: Pick<OpenDatabase, "db" | "listen">;
  gatewayId: string;
  logger: Logger;
}): Promise<GatewayLimitsPart> {
  const { database, gatewayId, logger } = parts;
  let limited: LimitedGateway | undefined;
  const store = await openStoredLeases(database.db, gatewayId);
  const allowances = new LeasedAllowances({
    store,
    logger,
    flush: async () => limited?.usage.flush(),
    flushAndTake: async (wish) => limited?.usage.flushAndTake(wish),
    countOpen: (userId) => limited?.gateway.countOpen(userId) ?? 0,
  });
  const limits = new CredentialLimits({
    allowanceOf: (userId) => allowances.of(userId),
    countOpen: (credentialId) => limited?.gateway.countOfCredential(credentialId) ?? 0,
  });
  return {
    flowLimits: limits,
    follow: async (now) => {
      limited = now;
      const { gateway, usage, credentials } = now;
      const changes = await openChangeFeed({ database, logger });
      const stopFollowing = followChanges({ changes, credentials, limits, gateway, logger });
      const stopTelling = usage.onUsage((userId) => changes.tellUsage(userId));
      return {
        close: async () => {
          stopFollowing();
          stopTelling();
          await changes.close();
        },
      };
    },
    held: () => {
      const held = allowances.held();
      return { ...held, renewedAt: performance.timeOrigin + held.renewedAt };
    },
    close: () => allowances.close(),
  };
}
