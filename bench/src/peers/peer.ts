import type { Way } from "../load/load.ts";

export type PeerWay = "forward" | "tunnel" | "socks5";

/** A proxy under measurement, started and ready. */
export interface Peer {
  readonly name: string;
  /** The process whose CPU time, with that of its children, is the proxy's. */
  readonly pid: number;
  /** How it is used for what; a missing way is one that it does not have. The note is what one must know to compare. */
  readonly ways: Partial<Record<PeerWay, { readonly way: Way; readonly note: string }>>;
  close(): Promise<void>;
}

/** How it is used for tunnels. @throws Error when it has none */
export function tunnelWay({ name, ways }: Peer): Way {
  if (ways.tunnel === undefined) throw new Error(`${name} has no tunnels.`);
  return ways.tunnel.way;
}

export interface PeerOptions {
  /** The core it runs on; null for any. */
  readonly core: number | null;
  /** The origin's port on 127.0.0.1. */
  readonly originPort: number;
  /** A folder of its own, removed by the caller. */
  readonly folder: string;
}
