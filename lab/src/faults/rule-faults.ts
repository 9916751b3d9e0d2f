import { TABLE } from "@atlantic/companion/src/firewall/policy.ts";
import { run } from "../net/run.ts";
import { type Fault, inside } from "./fault.ts";

/** Somebody else changes the kernel's rules. */
export const ruleFaults: readonly Fault[] = [
  {
    name: "nft flush ruleset",
    inject: (place) => inside(place, "nft", "flush", "ruleset"),
  },
  ...["inet", "netdev"].map(
    (family): Fault => ({
      name: `nft delete table ${family}`,
      inject: (place) => inside(place, "nft", "delete", "table", family, TABLE),
    }),
  ),
  {
    name: "the firewall's service loads rules of its own",
    async inject(place) {
      const rules =
        "flush ruleset\ntable inet filter { chain input { type filter hook input priority 0; } }\n";
      const netns = ["ip", "netns", "exec", place.machine.namespace("machine")];
      await run([...netns, "nft", "-f", "-"], { input: rules });
    },
    after: (place) => inside(place, "nft", "delete", "table", "inet", "filter"),
  },
];
