import {
  accept,
  family,
  familyOf,
  hostNetwork,
  network,
  notNetwork,
  out,
  port,
  protocol,
  refuse,
  reset,
  rule,
  subChain,
} from "./build-rule.ts";
import type { TunnelLink } from "./policy.ts";
import type { Chain, Rule } from "./rule-set.ts";

/** Names are asked of the tunnel's resolver, which is local: whatever still carries these ports goes elsewhere. */
const dnsOverTcp = rule(
  "DNS over TCP to another resolver",
  [protocol("tcp"), port("destination", 53)],
  reset,
);
export const otherResolvers: readonly Rule[] = [
  rule("DNS to another resolver", [protocol("udp"), port("destination", 53)], refuse),
  dnsOverTcp,
  rule("DNS over TLS", [protocol("tcp"), port("destination", 853)], reset),
  rule("DNS over QUIC", [protocol("udp"), port("destination", 853)], refuse),
];

export const THROUGH = "through_tunnel";
export const ONLY_THROUGH = "only_through_tunnel";

/**
 * Lets into the device what may go there, and returns with the rest.
 *
 * @param lan the local network is allowed: what is refused here may have its server there
 */
export function throughTunnel(tunnel: TunnelLink, lan: boolean): Chain {
  return subChain(THROUGH, [
    // This machine's are led to the resolver, and TCP of others is reset below where it would go into the device.
    ...otherResolvers.filter((each) => lan || each !== dnsOverTcp),
    // TCP of this connection was redirected before it got here, so this was opened before, or by nobody we know.
    ...[tunnel.address4, tunnel.address6].map((address) => {
      const own = notNetwork("source", hostNetwork(address));
      return rule(
        `TCP from before, not from ${address}`,
        [out(tunnel.index), family(familyOf(address)), own, protocol("tcp")],
        reset,
      );
    }),
    rule("into the tunnel", [out(tunnel.index)], accept),
  ]);
}

/** The end of every chain that lets nothing else out: at once, and not by silence. */
export const refusal: readonly Rule[] = [
  rule("all other TCP", [protocol("tcp")], reset),
  rule("all else", [], refuse),
];

/**
 * What must go through the tunnel or nowhere, where all else goes as ever. What this machine sends was turned to the
 * device by its mark, and is still said to leave by the link that it was turned from: the last chain sees where it goes.
 * TCP was redirected, or is from before.
 */
export const onlyThrough: Chain = subChain(ONLY_THROUGH, [
  ...otherResolvers.filter(({ verdict }) => verdict === refuse),
  ...["127.0.0.0/8", "::1/128"].map((loopback) =>
    rule(
      `redirected, IPv${familyOf(loopback)}`,
      [family(familyOf(loopback)), network("destination", loopback)],
      accept,
    ),
  ),
  rule("TCP from before", [protocol("tcp")], reset),
]);
