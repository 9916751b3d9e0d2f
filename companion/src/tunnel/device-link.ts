import {
  RESOLVER_ADDRESS4,
  RESOLVER_ADDRESS6,
  TUNNEL_ADDRESS4,
  TUNNEL_ADDRESS6,
} from "../firewall/policy.ts";
import { writeSetting } from "./kernel-settings.ts";
import { runIp, showIp } from "./run-ip.ts";

/**
 * The longest packet that the device takes. A datagram of this length, in the headers of SOCKS5, UDP and IPv6 instead of
 * its own, fits the 1492 bytes of a DSL line. TCP does not pass the device: it is redirected before.
 */
export const DEVICE_MTU = 1_420;

/** Gives the device its addresses and brings it up. @throws ClearError */
export async function bringUp(device: string): Promise<void> {
  // Answers come from anywhere, whatever the other routes say.
  writeSetting(`ipv4/conf/${device}/rp_filter`, 2);
  await runIp(4, [
    `link set dev ${device} mtu ${DEVICE_MTU}`,
    `addr replace ${TUNNEL_ADDRESS4}/30 dev ${device}`,
    `addr replace ${RESOLVER_ADDRESS4}/32 dev ${device}`,
    `link set dev ${device} up`,
  ]);
  for (const [name, value] of [
    ["disable_ipv6", 0],
    ["accept_ra", 0],
    ["autoconf", 0],
    ["router_solicitations", 0],
  ] as const) {
    writeSetting(`ipv6/conf/${device}/${name}`, value);
  }
  // A machine without IPv6 has nothing to lead anywhere.
  await runIp(
    6,
    [
      `addr replace ${TUNNEL_ADDRESS6}/126 dev ${device} nodad`,
      // To be answered from, never to send from (RFC 6724 §5, rule 3): the firewall resets flows with this source.
      `addr replace ${RESOLVER_ADDRESS6}/128 dev ${device} nodad preferred_lft 0`,
    ],
    { force: true },
  );
}

/**
 * Whether the device, by its index, is up and has its addresses. `renamed`: no link of this index has the name; another
 * may have it.
 */
export async function stateOf(device: string, index: number): Promise<"up" | "down" | "renamed"> {
  const shown = await showIp(4, ["addr", "show", "dev", device]);
  if (!shown.startsWith(`${index}: ${device}:`)) return "renamed";
  const addresses = [TUNNEL_ADDRESS4, RESOLVER_ADDRESS4];
  const isUp = /[<,]UP[,>]/.test(shown) && addresses.every((address) => shown.includes(`inet ${address}/`));
  return isUp ? "up" : "down";
}
