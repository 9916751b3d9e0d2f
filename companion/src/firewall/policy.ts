/**
 * What the firewall allows in one state of the protection. The one contract between the state machine and every
 * printer of rules: nftables, pf and Windows filtering are all compiled from it.
 */

/** Where an upstream is reached. */
export interface Endpoint {
  /** An IPv4 or IPv6 literal. */
  readonly address: string;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
}

/** The tunnel's device, as the rules see it. */
export interface TunnelLink {
  readonly name: string;
  /** The device's index: rules match this, for any link can be given the name. Renew the policy when it changes. */
  readonly index: number;
  readonly address4: string;
  readonly address6: string;
  /** The resolver's addresses, local addresses of the device. */
  readonly dns4: string;
  readonly dns6: string;
  /** TCP that would leave by the device is redirected to this port of this machine, IPv4 and IPv6. */
  readonly redirectPort: number;
}

/** Which traffic goes beside the tunnel ("all-but") or is the only one that goes through it ("only"). */
export interface SplitRules {
  readonly mode: "all-but" | "only";
  /** Control groups (v2): paths from the root of the hierarchy, without a leading slash. They must exist, also where the last one may be made again. */
  readonly cgroups: readonly string[];
  readonly uids: readonly number[];
  /** In CIDR notation, IPv4 and IPv6. */
  readonly destinations: readonly string[];
}

export type Policy =
  /** Locked, error, early boot (then without bootstrap endpoints). */
  | { readonly kind: "blocked"; readonly bootstrap: readonly Endpoint[]; readonly allowLan: boolean }
  | { readonly kind: "connecting"; readonly upstreams: readonly Endpoint[]; readonly allowLan: boolean }
  | {
      readonly kind: "connected";
      readonly upstreams: readonly Endpoint[];
      readonly tunnel: TunnelLink;
      readonly allowLan: boolean;
      readonly split: SplitRules | null;
    };

/** "atlc": put with SO_MARK on sockets to an upstream, before connect; only CAP_NET_ADMIN can. */
export const MARK = 0x61746c63;
/**
 * "atld": traffic that split tunnel lets go beside the tunnel. The rules put it on packets before routing; the daemon
 * puts it on sockets that it dials for such traffic. Routing sends it by the main table. Void without `split`.
 */
export const DIRECT_MARK = 0x61746c64;
/** "atle": what goes through the tunnel when only some traffic does. Routing sends it to the device. */
export const TUNNEL_MARK = 0x61746c65;
/**
 * "atlf", on flows: containers and virtual machines that this machine answers for the tunnel. On packets: what goes back
 * to them. Routing sends it by the main table.
 */
export const ANSWER_MARK = 0x61746c66;
/** "atlh", on flows only: those of containers that come from where routing would send what goes back to them. */
export const CONTAINER_MARK = 0x61746c68;
/** "atlg": what passed the rules of the IP stack, for links to containers and virtual machines. */
export const PASSED_MARK = 0x61746c67;

export const TUNNEL_NAME = "atlantic-tun0";
export const TUNNEL_ADDRESS4 = "198.18.0.1";
export const TUNNEL_ADDRESS6 = "fd61:746c::1";
export const RESOLVER_ADDRESS4 = "198.18.0.2";
export const RESOLVER_ADDRESS6 = "fd61:746c::2";
/** Addresses that stand for names inside the tunnel: never sent anywhere but into the device. */
export const FAKE_ADDRESSES4 = "198.18.0.0/15";
export const FAKE_ADDRESSES6 = "fd61:746c:1::/64";
/** The tunnel's own addresses, the resolver's, and those that stand for names: none of them is the local network's. */
export const TUNNEL_ADDRESSES6 = "fd61:746c::/32";
/**
 * Where the resolver takes questions that were on their way to another one. Not 53: the rules see such a packet with the
 * link that it was to leave by, and refuse whatever still asks for that port there.
 */
export const LED_PORT = 1053;
export const TABLE = "atlantic";
