import type { SplitRules } from "@atlantic/companion/src/firewall/policy.ts";

/** The user that a split tunnel names in the lab. */
export const CHOSEN_USER = 65_533;
/** An address in the networks that it names. */
export const chosenAddress = { 4: "100.100.9.9", 6: "2001:db8:100:9::9" } as const;

/** What a split tunnel names. */
export type Chosen = Omit<SplitRules, "mode">;

/** What it names in the lab: a user, networks, and a control group where one can be made. */
export function chosenTraffic(group: string | null): Chosen {
  return {
    cgroups: group === null ? [] : [group],
    uids: [CHOSEN_USER],
    destinations: ["100.100.9.0/24", "2001:db8:100:9::/64"],
  };
}
