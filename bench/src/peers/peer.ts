import type { Way } from "../load/load.ts";

/** A proxy under measurement, started and ready. */
export interface Peer {
  readonly name: string;
  /** What the reader must know to compare: credentials, kind of proxying. */
  readonly note: string;
  /** The process whose CPU time, with that of its children, is the proxy's. */
  readonly pid: number;
  /** How it is used for what; a missing way is one that it does not have. */
  readonly ways: Partial<Record<"forward" | "tunnel" | "socks5", Way>>;
  close(): Promise<void>;
}

export interface PeerOptions {
  readonly core: number;
  /** The origin's port on 127.0.0.1. */
  readonly originPort: number;
  /** A folder of its own, removed by the caller. */
  readonly folder: string;
}
