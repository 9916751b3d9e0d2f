/** What is asked for: a lease of 1 to 8 MiB, or up to three of the largest at once. */
export interface LeaseWish {
  readonly userId: string;
  readonly bytes: number;
}

/** What a wish came to. */
export interface Lease {
  /** Bytes that may flow now: they are off the balance already. 0: none are to be had. */
  readonly grantedBytes: number;
  /** All that this gateway has put aside of the balance and not settled, the new bytes among it. */
  readonly heldBytes: number;
  /** Whether the balance has more: then nothing was granted because this gateway holds the most that one may. */
  readonly moreToCome: boolean;
}

/**
 * Puts bytes of balances aside for one gateway before they flow. What the events of the gateway's connections say is
 * settled where those are folded (charge-balances.ts).
 */
export interface LeaseStore {
  /** Takes up to as many bytes as are wished for. */
  take(wish: LeaseWish): Promise<Lease>;
  /** Puts back what did not flow. @returns what this gateway still holds of the balance */
  giveBack(userId: string, bytes: number): Promise<number>;
  /** Puts back all that this gateway still holds of the balance. */
  giveBackAll(userId: string): Promise<void>;
  /** Says that this gateway lives. `lost`: it was thought dead meanwhile, and holds nothing any more. */
  renew(): Promise<"held" | "lost">;
  /** Puts back what gateways held that are dead. @returns how many those were */
  reclaimExpired(): Promise<number>;
  /** Puts back everything that this gateway holds. */
  close(): Promise<void>;
}

/** A lease is given back by itself when its gateway was not heard of for this long. */
export const LEASE_LIFETIME_MS = 30_000;
/** The least and the most that a lease has. */
export const LEASE_LEAST_BYTES = 1_048_576;
export const LEASE_MOST_BYTES = 8 * 1_048_576;
/** So many of the largest may be taken at once, by an account to which one is but a moment's worth. */
export const LEASES_AT_ONCE = 3;
/**
 * The most that one gateway may have put aside of one balance, settled bytes not among it. This is the bound: what a
 * gateway that is killed moved and did not write is never more than this, for an account.
 */
export const HELD_MOST_BYTES = 32 * 1_048_576;
