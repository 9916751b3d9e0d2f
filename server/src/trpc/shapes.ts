import { bytesText } from "@atlantic/shared/control/messages.ts";
import { z } from "zod";
import type { ConnectionView } from "../services/connections.ts";
import type { CredentialView } from "../services/credentials.ts";
import type { UsageSummary, UsageTotals } from "../services/usage.ts";

/** Milliseconds since 1970, UTC. */
export const moment = z.int().nonnegative();

export const credentialId = z
  .string()
  .regex(/^atl_[a-z0-9]{8}$/, "a credential's id looks like atl_k3x9m2qp");

export const credentialShape = z.object({
  id: z.string(),
  username: z.string(),
  label: z.string(),
  createdAt: moment,
  lastUsedAt: moment.nullable(),
  revokedAt: moment.nullable(),
});

export function presentCredential(credential: CredentialView): z.infer<typeof credentialShape> {
  return {
    ...credential,
    createdAt: credential.createdAt.getTime(),
    lastUsedAt: credential.lastUsedAt?.getTime() ?? null,
    revokedAt: credential.revokedAt?.getTime() ?? null,
  };
}

/** Counted and not charged. */
const unchargedShape = {
  unchargedSentBytes: bytesText,
  unchargedReceivedBytes: bytesText,
  tlsBytes: bytesText,
};

export const connectionShape = z.object({
  id: z.uuid(),
  openedAt: moment,
  closedAt: moment.nullable(),
  client: z.string(),
  protocol: z.enum(["http", "connect", "socks5"]),
  /** host:port, with brackets around an IPv6 address. */
  target: z.string(),
  exitLabel: z.string().nullable(),
  exitAddress: z.string().nullable(),
  credentialLabel: z.string(),
  sentBytes: bytesText,
  receivedBytes: bytesText,
  requests: z.int().nonnegative(),
  ...unchargedShape,
  attempts: z.int().positive(),
  failover: z.string().nullable(),
  outcome: z.string().nullable(),
});

export function presentConnection(connection: ConnectionView): z.infer<typeof connectionShape> {
  const { targetHost, targetPort, ...rest } = connection;
  return {
    ...rest,
    openedAt: connection.openedAt.getTime(),
    closedAt: connection.closedAt?.getTime() ?? null,
    target: `${targetHost.includes(":") ? `[${targetHost}]` : targetHost}:${targetPort}`,
    ...presentTotals(connection),
  };
}

export const totalsShape = z.object({
  sentBytes: bytesText,
  receivedBytes: bytesText,
  requests: z.int().nonnegative(),
  ...unchargedShape,
});

export function presentTotals(totals: UsageTotals): z.infer<typeof totalsShape> {
  return {
    sentBytes: String(totals.sentBytes),
    receivedBytes: String(totals.receivedBytes),
    requests: Number(totals.requests),
    unchargedSentBytes: String(totals.unchargedSentBytes),
    unchargedReceivedBytes: String(totals.unchargedReceivedBytes),
    tlsBytes: String(totals.tlsBytes),
  };
}

export const summaryShape = z.object({
  /** The calendar month so far, UTC. */
  month: totalsShape.extend({ failed: z.int().nonnegative() }),
  balance: z.object({ remainingBytes: bytesText, allowanceBytes: bytesText, resetsAt: moment.nullable() }),
});

export function presentSummary({ month, balance }: UsageSummary): z.infer<typeof summaryShape> {
  return {
    month: { ...presentTotals(month), failed: Number(month.failed) },
    balance: {
      remainingBytes: String(balance.remainingBytes),
      allowanceBytes: String(balance.allowanceBytes),
      resetsAt: balance.resetsAt?.getTime() ?? null,
    },
  };
}
