import type { DialPlan } from "@atlantic/native";
import type { TunnelTarget } from "../upstream/exit-upstream.ts";
import type { TunnelUpstream } from "./tunnel.ts";

/** How a target is reached through an upstream, by sockets that carry the mark. Not for HTTP/2. */
export function planThrough(upstream: TunnelUpstream, target: TunnelTarget, mark: number): DialPlan {
  const { protocol, addresses, port, host, tls, ca, username, password } = upstream;
  return {
    addresses,
    port,
    mark,
    proxy: {
      protocol: protocol === "socks5" ? "socks5" : "connect",
      ...(tls && { tls: { serverName: host, ...(ca !== undefined && { ca }) } }),
      ...(username !== undefined && { username, password: password ?? "" }),
      target,
    },
  };
}

/** Whether both are the same way out: flows of one go on when the other takes its place. */
export function isSameUpstream(one: TunnelUpstream | null, other: TunnelUpstream | null): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
