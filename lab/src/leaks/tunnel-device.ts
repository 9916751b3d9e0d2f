import {
  MARK,
  RESOLVER_ADDRESS4,
  RESOLVER_ADDRESS6,
  TUNNEL_ADDRESS4,
  TUNNEL_ADDRESS6,
  TUNNEL_NAME,
  type TunnelLink,
} from "@atlantic/companion/src/firewall/policy.ts";
import type { Machine } from "./machine.ts";
import type { Prober } from "./prober.ts";

/** Where the harness, in the daemon's place, accepts redirected TCP. */
const REDIRECT_PORT = 1337;
const ROUTES = "7000";

/** A device as the daemon makes it, without what carries its traffic. */
export interface TunnelDevice {
  readonly link: TunnelLink;
  /** Leads all but marked traffic into it. */
  routesUp(): Promise<void>;
  remove(): Promise<void>;
}

/** Makes the device, with the tunnel's and the resolver's addresses. */
export async function makeDevice(machine: Machine, daemon: Prober): Promise<TunnelDevice> {
  const index = await daemon.tun(TUNNEL_NAME);
  const addresses = [
    `${TUNNEL_ADDRESS4}/30`,
    `${RESOLVER_ADDRESS4}/30`,
    `${TUNNEL_ADDRESS6}/126`,
    `${RESOLVER_ADDRESS6}/126`,
  ];
  for (const address of addresses) await machine.ip("machine", "addr", "add", address, "dev", TUNNEL_NAME);
  await machine.ip("machine", "link", "set", TUNNEL_NAME, "up");
  const rule = ["rule", "add", "pref", "100", "not", "fwmark", String(MARK), "table", ROUTES];
  let routed = false;
  return {
    link: {
      name: TUNNEL_NAME,
      index,
      address4: TUNNEL_ADDRESS4,
      address6: TUNNEL_ADDRESS6,
      dns4: RESOLVER_ADDRESS4,
      dns6: RESOLVER_ADDRESS6,
      redirectPort: REDIRECT_PORT,
    },
    async routesUp() {
      routed = true;
      for (const family of ["-4", "-6"]) {
        await machine.ip("machine", family, "route", "add", "default", "dev", TUNNEL_NAME, "table", ROUTES);
        await machine.ip("machine", family, ...rule);
      }
    },
    async remove() {
      await daemon.untun();
      if (!routed) return;
      routed = false;
      for (const family of ["-4", "-6"]) await machine.ip("machine", family, "rule", "delete", "pref", "100");
    },
  };
}
