import type { Endpoint, SplitRules, TunnelLink } from "../firewall/policy.ts";
import { OpenTunnel } from "./open-tunnel.ts";

/** A proxy that the tunnel's flows go through. */
export interface TunnelUpstream {
  /** As people know it; stands in troubles and counters. */
  readonly name: string;
  /** connect: HTTP CONNECT. socks5: RFC 1928. h2: CONNECT streams on one HTTP/2 connection (RFC 9113 §8.5). */
  readonly protocol: "connect" | "socks5" | "h2";
  /** Speak TLS to the proxy; its certificate must be for `host`. `ca`: authorities besides the system's, as PEM. */
  readonly tls: boolean;
  readonly ca?: string;
  readonly host: string;
  /** Where it is dialled, nothing else: no name is resolved here. In the order to try. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  /** It has SOCKS5 UDP ASSOCIATE. Without it datagrams are refused at once. */
  readonly udp: boolean;
}

export interface TunnelCounters {
  /** TCP flows that are carried, wait for a dial, or are held. */
  readonly openFlows: number;
  readonly heldFlows: number;
  readonly sentDatagrams: number;
  readonly receivedDatagrams: number;
}

export type TunnelTrouble =
  /** An upstream could not be reached, or did not do as it was asked; one for each flow. */
  | {
      readonly kind: "dial failed";
      readonly upstream: string;
      readonly stage: "reach" | "ask";
      readonly error: Error;
    }
  /** The device is gone: everything is refused until it is back. */
  | { readonly kind: "device lost"; readonly detail: string }
  /** It was made again; the link has another index, and the firewall must be told. */
  | { readonly kind: "device back"; readonly link: TunnelLink }
  /** Somebody changed rules or routes of ours, which were put back. */
  | { readonly kind: "routes restored"; readonly detail: string }
  /** They could not be put back. */
  | { readonly kind: "routes lost"; readonly detail: string }
  /** Address, link or default route of the machine changed: upstreams may have to be dialled anew. */
  | { readonly kind: "network changed" }
  /** The native engine's thread died: nothing is carried any more. */
  | { readonly kind: "engine lost" };

export interface TunnelOptions {
  /** fwmark of own sockets: `MARK` of the firewall's policy. */
  readonly mark: number;
  /** The name that a fake address stands for; undefined: none that is known, and the flow is refused. */
  nameOf(fake: string): string | undefined;
  /** null: everything goes through the tunnel. */
  readonly split: SplitRules | null;
  /** Private addresses are reached by the machine's own routes. The firewall decides by itself as well. */
  readonly allowLan?: boolean;
  /**
   * Where the upstream's UDP relays are, all of them, whenever that changes; awaited before anything is sent there. The
   * firewall lets marked datagrams out to these only. Left out: all may be sent to.
   */
  readonly admitRelays?: (relays: readonly Endpoint[]) => Promise<void>;
  /** Where kernel settings as they were are kept, for a process that comes after this one was killed. */
  readonly settingsFile?: string;
  /** How long new flows wait for an upstream, in milliseconds. Default: 10 s. */
  readonly holdMs?: number;
}

/**
 * The machine's traffic, carried to a proxy: TCP that would leave by the device is redirected to a native listener,
 * everything else comes through the device.
 */
export interface Tunnel {
  readonly link: TunnelLink;
  /** Leads the machine's traffic into the device. Idempotent; takes over what a tunnel before it left behind. */
  routesUp(): Promise<void>;
  routesDown(): Promise<void>;
  /** Whether private addresses are reached by the machine's own routes from now on. */
  allowLan(allowed: boolean): Promise<void>;
  /**
   * Flows go through this from now on; those of another upstream end with a reset, unless they are kept.
   * null: new flows are held for a while and then reset.
   */
  use(upstream: TunnelUpstream | null, options?: { readonly keep?: boolean }): void;
  /** As of now; may be asked up to 10 times a second. */
  counters(): TunnelCounters;
  onTrouble(listener: (trouble: TunnelTrouble) => void): () => void;
  /** Resets all flows and takes the device away. Routes that are up stay, and lead nowhere: `routesDown` first. */
  close(): Promise<void>;
}

/**
 * Makes the device and the listener. Nothing is led into them yet: the firewall's rules come first, then `routesUp`.
 * @throws ClearError when it cannot be had: without CAP_NET_ADMIN, without the addon, when another process has it
 */
export function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  return OpenTunnel.open(options);
}
