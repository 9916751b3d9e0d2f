import {
  FAKE_ADDRESSES4,
  MARK,
  RESOLVER_ADDRESS4,
  RESOLVER_ADDRESS6,
  TUNNEL_ADDRESS4,
  TUNNEL_ADDRESS6,
  TUNNEL_ADDRESSES6,
  TUNNEL_NAME,
  type TunnelLink,
} from "@atlantic/companion/src/firewall/policy.ts";
import { must, run } from "../net/run.ts";
import type { Machine } from "./machine.ts";
import type { Prober } from "./prober.ts";

/** Where the harness, in the daemon's place, accepts redirected TCP. */
const REDIRECT_PORT = 1337;
const ROUTES = "7000";
const FIRST_RULE = 100;
/** The tunnel's addresses, and those that stand for names. */
const ownRanges = { "-4": FAKE_ADDRESSES4, "-6": TUNNEL_ADDRESSES6 } as const;
/** Containers and neighbours are reached by the machine's own routes: the firewall decides on them. */
const localRanges: Readonly<Record<"-4" | "-6", readonly string[]>> = {
  "-4": ["10.0.0.0/8", "192.168.0.0/16"],
  "-6": ["fe80::/10", "fc00::/7"],
};

/** A device as the daemon makes it, without what carries its traffic. */
export interface TunnelDevice {
  readonly link: TunnelLink;
  /** Leads all but marked traffic into it. */
  routesUp(): Promise<void>;
  routesDown(): Promise<void>;
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
  const inside = machine.namespace("machine");
  let routed = false;
  const routesDown = async () => {
    if (!routed) return;
    routed = false;
    for (const family of ["-4", "-6"] as const) {
      for (let at = 0; at < localRanges[family].length + 3; at++)
        await machine.ip("machine", family, "rule", "delete", "pref", String(FIRST_RULE + at));
      // The device may have gone, and taken its routes with it.
      await run(["ip", "-netns", inside, family, "route", "flush", "table", ROUTES]);
    }
  };
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
      for (const [family, source] of [
        ["-4", TUNNEL_ADDRESS4],
        ["-6", TUNNEL_ADDRESS6],
      ] as const) {
        const rules = [
          `fwmark ${MARK} lookup main`,
          `to ${ownRanges[family]} lookup ${ROUTES}`,
          ...localRanges[family].map((range) => `to ${range} lookup main suppress_prefixlength 0`),
          `lookup ${ROUTES}`,
        ];
        const commands = [
          `route add default dev ${TUNNEL_NAME} src ${source} table ${ROUTES}`,
          ...rules.map((rule, at) => `rule add pref ${FIRST_RULE + at} ${rule}`),
        ];
        await must(["ip", "-netns", inside, family, "-batch", "-"], { input: `${commands.join("\n")}\n` });
      }
    },
    routesDown,
    async remove() {
      await daemon.untun();
      await routesDown();
    },
  };
}
