import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** A packet that the fast path does not answer itself. */
export interface WaitingPacket {
  readonly door: number;
  /** Whether the client has its answer already, and only a newer one is wanted. */
  readonly refresh: boolean;
  /** The client's address, as the system gave it. */
  readonly from: Buffer;
  readonly packet: Buffer;
}

/** What the DNS addon offers; see dns/src/interface.rs. */
export interface NativeDns {
  /** @throws Error whose message is the system's error number */
  listen(host: string, port: number): number;
  /** Answers by a new table from the next packet on. @returns what the lists of the old one blocked, by their place */
  setTable(table: Uint32Array): number[];
  /** What each list blocked since this was last asked. */
  takeBlocked(): number[];
  /** 0: NXDOMAIN, 1: the address of zeros, 2: REFUSED. */
  answerBlocked(how: number): void;
  remember(known: {
    name: string;
    kind: number;
    dnssec: boolean;
    checkingDisabled: boolean;
    message: Buffer;
    rcode: number;
    authentic: boolean;
    times: number[];
    ttlSeconds: number;
  }): void;
  forget(): void;
  /** Some of the packets that wait; none: it tells again when there are. */
  take(): WaitingPacket[];
  send(door: number, to: Buffer, packet: Buffer): void;
  counts(): { queries: number; blocked: number; cached: number; dropped: number };
  stop(): void;
}

interface DnsAddon {
  readonly DnsFastPath: new (tell: () => void) => NativeDns;
}

const path = fileURLToPath(new URL("../dist/atlantic-dns.node", import.meta.url));

let addon: DnsAddon | null | undefined;

function load(): DnsAddon | null {
  if (!existsSync(path)) return null;
  try {
    return createRequire(import.meta.url)(path) as DnsAddon;
  } catch {
    // Built for another system: what works without it is only slower.
    return null;
  }
}

/** A fast path for DNS, told by `tell` of packets that wait; null where the addon is not there. */
export function nativeDns(tell: () => void): NativeDns | null {
  addon ??= load();
  return addon && new addon.DnsFastPath(tell);
}
