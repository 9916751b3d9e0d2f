import { ClearError } from "../clear-error.ts";
import {
  ANSWER_MARK,
  DIRECT_MARK,
  FAKE_ADDRESSES4,
  type SplitRules,
  TUNNEL_ADDRESSES6,
  TUNNEL_MARK,
} from "../firewall/policy.ts";
import { type Family, runIp, showIp } from "./run-ip.ts";

export interface RouteOptions {
  /** The device's name: another one after it was made again. */
  readonly device: () => string;
  /** fwmark of our own sockets. */
  readonly mark: number;
  readonly split: SplitRules | null;
  /** Private addresses are reached by the machine's own routes. */
  readonly allowLan: boolean;
}

const families: readonly Family[] = [4, 6];

/** The table of our own. */
export const ROUTES_TABLE = 7_461;
/** Two ranges of priorities, between the local table and main: the rules of one are there before the other's go. */
const RANGES = [17_000, 18_000] as const;
const RANGE_SIZE = 1_000;
/** The last resort of the table: where the device is gone, its route is, and this one is not. */
const NOWHERE_METRIC = 4_278_198_272;

/**
 * Private, link-local and multicast addresses. Only these may be reached by other routes: routes to anywhere else that
 * a hostile network announces (DHCP option 121, RFC 3442) have no effect.
 */
const lanRanges: Record<Family, readonly string[]> = {
  4: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "224.0.0.0/4"],
  6: ["fe80::/10", "fc00::/7", "ff00::/8"],
};
/** Addresses of the tunnel and of names, which mean nothing elsewhere. */
const ownRanges: Record<Family, string> = { 4: FAKE_ADDRESSES4, 6: TUNNEL_ADDRESSES6 };

/**
 * Leads the machine's traffic into the device, or takes it back. What is shared with the firewall:
 *
 * - Our own sockets carry MARK and go by the main table, whatever it says at the moment.
 * - With a split, the firewall puts DIRECT_MARK (all-but) or TUNNEL_MARK (only) on the packets that are meant; these
 *   rules send them by the main table, or into the device. A packet that is marked on its way has its source address
 *   already, so the firewall rewrites that. User ids and destinations are rules here as well, so that they have the
 *   right address at once.
 * - What goes back to containers from the device has ANSWER_MARK, and goes by the main table.
 * - Where the device should be and is not, there is no way at all: the table's last route is `unreachable`. It
 *   outlives the process, as the firewall's rules do; `down` takes it away, and so does `down` of the next one.
 *
 * All rules with priorities from 17000 to 18999 and all routes in table 7461 are ours, whoever put them there.
 */
export class Routes {
  readonly #options: RouteOptions;
  #allowLan: boolean;
  /** The rules as the kernel showed them when they were up. */
  #shown: string | undefined;

  constructor(options: RouteOptions) {
    this.#options = options;
    this.#allowLan = options.allowLan;
  }

  /** Whether they are up, as far as this process knows. */
  get areUp(): boolean {
    return this.#shown !== undefined;
  }

  /** Takes effect with the next `up`. */
  allowLan(allowed: boolean): void {
    this.#allowLan = allowed;
  }

  /** Idempotent; takes over what was left behind. @throws ClearError */
  async up(): Promise<void> {
    for (const family of families) await this.#up(family);
    this.#shown = await shownRules();
  }

  async #up(family: Family): Promise<void> {
    const device = this.#options.device();
    await runIp(family, [
      `route replace unreachable default metric ${NOWHERE_METRIC} table ${ROUTES_TABLE}`,
      ...((await hasDevice(family, device))
        ? [`route replace default dev ${device} metric 1 table ${ROUTES_TABLE}`]
        : []),
    ]);
    const before = await prioritiesThere(family);
    const [first, second] = RANGES;
    const isFirstTaken = before.some((priority) => priority < first + RANGE_SIZE);
    const base = isFirstTaken ? second : first;
    const isOld = (priority: number): boolean => priority < base || priority >= base + RANGE_SIZE;
    const rules = routingRules({ ...this.#options, allowLan: this.#allowLan }, family);
    if (rules.length > RANGE_SIZE) {
      throw new ClearError(`Split tunnel takes up to ${RANGE_SIZE} rules in all. Name fewer destinations.`);
    }
    // Remains of a change that was cut short.
    await remove(
      family,
      before.filter((priority) => !isOld(priority)),
    );
    await runIp(
      family,
      rules.map((rule, at) => `rule add priority ${base + at} ${rule}`),
    );
    await remove(family, before.filter(isOld));
  }

  /** Takes all of it away. */
  async down(): Promise<void> {
    this.#shown = undefined;
    for (const family of families) {
      await remove(family, await prioritiesThere(family));
      await runIp(family, [`route flush table ${ROUTES_TABLE}`], { force: true });
    }
  }

  /** While they are up: in words what is not as it was; undefined when nothing is. */
  async missing(): Promise<string | undefined> {
    if (this.#shown === undefined) return undefined;
    if ((await shownRules()) !== this.#shown) return "rules were changed";
    for (const family of families) {
      const device = this.#options.device();
      if (!(await hasDevice(family, device))) continue;
      const routes = await showIp(family, ["route", "show", "table", String(ROUTES_TABLE)]);
      if (!routes.includes(`dev ${device} `)) return `the IPv${family} route to the device was removed`;
      if (!routes.includes("unreachable default")) return `the last IPv${family} route was removed`;
    }
    return undefined;
  }
}

/** What routing looks at, in this order: rules of `ip rule` without their priorities. */
export function routingRules(options: Omit<RouteOptions, "device">, family: Family): string[] {
  const { mark, split, allowLan } = options;
  const ours = `lookup ${ROUTES_TABLE}`;
  const destinations = (split?.destinations ?? []).filter((one) => one.includes(":") === (family === 6));
  const chosen = (where: string): string[] => [
    ...(split?.uids ?? []).map((uid) => `uidrange ${uid}-${uid} ${where}`),
    ...destinations.map((one) => `to ${one} ${where}`),
  ];
  const rules = [`fwmark ${mark} lookup main`, `to ${ownRanges[family]} ${ours}`];
  if (split?.mode === "only") return [...rules, `fwmark ${TUNNEL_MARK} ${ours}`, ...chosen(ours)];
  // What goes back to containers, which the firewall marks; the local network need not be allowed for that.
  rules.push(`fwmark ${ANSWER_MARK} lookup main`);
  if (split) rules.push(`fwmark ${DIRECT_MARK} lookup main`, ...chosen("lookup main"));
  if (!allowLan) return [...rules, ours];
  const lan = lanRanges[family].map((one) => `to ${one} lookup main suppress_prefixlength 0`);
  // Questions for names go to our resolver, also where a server of the local network is asked.
  const names = ["udp", "tcp"].map((protocol) => `ipproto ${protocol} dport 53 ${ours}`);
  return [...rules, ...names, ...lan, ours];
}

async function remove(family: Family, priorities: readonly number[]): Promise<void> {
  await runIp(
    family,
    priorities.map((priority) => `rule del priority ${priority}`),
    { force: true },
  );
}

async function hasDevice(family: Family, device: string): Promise<boolean> {
  const addresses = await showIp(family, ["addr", "show", "dev", device]);
  return addresses.includes("inet");
}

/** Of each of our rules; as often as there are rules. */
async function prioritiesThere(family: Family): Promise<number[]> {
  return (await rulesOf(family)).map((line) => Number(line.split(":")[0]));
}

async function shownRules(): Promise<string> {
  const both = await Promise.all(families.map(rulesOf));
  return both.flat().join("\n");
}

async function rulesOf(family: Family): Promise<string[]> {
  const lines = (await showIp(family, ["rule", "show"])).split("\n");
  const [first, second] = RANGES;
  return lines.filter((line) => {
    const priority = Number(line.split(":")[0]);
    return priority >= first && priority < second + RANGE_SIZE;
  });
}
