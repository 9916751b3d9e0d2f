/**
 * What one connection carried and what of it was charged, as its owner keeps it. Receipts of a credential are
 * numbered from 1 without a gap, and each one's hash covers the one before (docs/receipts.md).
 */
export interface Receipt {
  /** Whose chain this is part of: the credential's id. */
  readonly credential: string;
  /** Its place in the chain, from 1. */
  readonly number: number;
  /** The hash of the receipt before, 64 hexadecimal digits; zeros before the first. */
  readonly previous: string;
  /** The connection's id, a UUID. */
  readonly connection: string;
  /** Milliseconds since 1970, UTC. */
  readonly openedAt: number;
  readonly closedAt: number;
  /** What the client spoke: http, connect, socks5 … */
  readonly protocol: string;
  /** host:port, with brackets around an IPv6 address. */
  readonly target: string;
  readonly exitCountry: string | null;
  readonly exitLabel: string | null;
  readonly exitAddress: string | null;
  /** Charged bytes, decimal. */
  readonly sentBytes: string;
  readonly receivedBytes: string;
  readonly requests: number;
  /** Counted and not charged, decimal. */
  readonly unchargedSentBytes: string;
  readonly unchargedReceivedBytes: string;
  /** What the client's TLS leg had on the wire beyond the payload, not charged, decimal. */
  readonly tlsBytes: string;
  /** Exits that were tried. */
  readonly attempts: number;
  /** Why the first exit was left; null when it was not. */
  readonly failover: string | null;
  readonly outcome: string;
}

/** A receipt with its hash, as it stands in a file. */
export interface HashedReceipt extends Receipt {
  /** SHA-256 over `canonicalReceipt`, 64 hexadecimal digits. */
  readonly hash: string;
}

/** Stands before the first receipt of a chain. */
export const CHAIN_START = "0".repeat(64);

const FORMAT = "atlantic-receipt-1";

/**
 * The text that a receipt's hash is made of (UTF-8): a JSON array with the fields in this order and no white space, as
 * RFC 8785 writes it.
 */
export function canonicalReceipt(receipt: Receipt): string {
  return JSON.stringify([
    FORMAT,
    receipt.credential,
    receipt.number,
    receipt.previous,
    receipt.connection,
    receipt.openedAt,
    receipt.closedAt,
    receipt.protocol,
    receipt.target,
    receipt.exitCountry,
    receipt.exitLabel,
    receipt.exitAddress,
    receipt.sentBytes,
    receipt.receivedBytes,
    receipt.requests,
    receipt.unchargedSentBytes,
    receipt.unchargedReceivedBytes,
    receipt.tlsBytes,
    receipt.attempts,
    receipt.failover,
    receipt.outcome,
  ]);
}

/** host:port, with brackets around an IPv6 address. */
export function receiptTarget(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
