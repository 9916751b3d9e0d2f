import {
  MARK,
  type Policy,
  RESOLVER_ADDRESS4,
  RESOLVER_ADDRESS6,
  TUNNEL_ADDRESS4,
  TUNNEL_ADDRESS6,
  TUNNEL_NAME,
  type TunnelLink,
} from "@atlantic/companion/src/firewall/policy.ts";
import { ROUTES_TABLE, routingRules } from "@atlantic/companion/src/tunnel/routes.ts";
import { ipBatch } from "../net/ip-batch.ts";
import { run } from "../net/run.ts";
import type { Machine } from "./machine.ts";
import { type Family, families } from "./matrix.ts";
import type { Prober } from "./prober.ts";

/** Where the harness, in the daemon's place, accepts redirected TCP. */
const REDIRECT_PORT = 1337;
const FIRST_RULE = 17_000;
/** Where the device is gone, its route is, and this one is not. */
const NOWHERE = `unreachable default metric 4278198272 table ${ROUTES_TABLE}`;
const sources = { 4: TUNNEL_ADDRESS4, 6: TUNNEL_ADDRESS6 } as const;

/** A device as the daemon makes it, without what carries its traffic. */
export interface TunnelDevice {
  readonly link: TunnelLink;
  /** Leads traffic into it as the product does; or nowhere, as when the device is gone. */
  routesUp(policy: Policy, way?: "device" | "nowhere"): Promise<void>;
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
    // To be answered from, never to send from.
    `${RESOLVER_ADDRESS6}/126 preferred_lft 0`,
  ];
  for (const address of addresses)
    await machine.ip("machine", "addr", "add", ...address.split(" "), "dev", TUNNEL_NAME);
  await machine.ip("machine", "link", "set", TUNNEL_NAME, "up");
  const inside = machine.namespace("machine");
  let routed: readonly (readonly [Family, number])[] = [];
  const routesDown = async () => {
    const before = routed;
    routed = [];
    for (const [family, rules] of before) {
      const commands = Array.from({ length: rules }, (_, at) => `rule delete pref ${FIRST_RULE + at}`);
      await ipBatch(inside, commands, `-${family}`);
      // The device may have gone, and taken its route with it.
      await run(["ip", "-netns", inside, `-${family}`, "route", "flush", "table", String(ROUTES_TABLE)]);
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
    async routesUp(policy, way = "device") {
      const split = policy.kind === "connected" ? policy.split : null;
      const counts: (readonly [Family, number])[] = [];
      for (const family of families) {
        const rules = routingRules({ mark: MARK, split, allowLan: policy.allowLan }, family);
        const route = `route add default dev ${TUNNEL_NAME} src ${sources[family]} metric 1 table ${ROUTES_TABLE}`;
        const commands = [
          `route add ${NOWHERE}`,
          ...(way === "device" ? [route] : []),
          ...rules.map((rule, at) => `rule add pref ${FIRST_RULE + at} ${rule}`),
        ];
        counts.push([family, rules.length]);
        await ipBatch(inside, commands, `-${family}`);
      }
      routed = counts;
    },
    routesDown,
    async remove() {
      await daemon.untun();
      await routesDown();
    },
  };
}
