import { clockFaults } from "./clock-faults.ts";
import { diskFaults } from "./disk-faults.ts";
import type { Fault } from "./fault.ts";
import { networkFaults } from "./network-faults.ts";
import { processFaults } from "./process-faults.ts";
import { ruleFaults } from "./rule-faults.ts";
import { upstreamFaults } from "./upstream-faults.ts";

/** What goes wrong, each by itself. */
export const faults: readonly Fault[] = [
  ...processFaults,
  ...ruleFaults,
  ...networkFaults,
  ...upstreamFaults,
  ...diskFaults,
  ...clockFaults,
];

/** Two at once. */
export function both(one: Fault, other: Fault): Fault {
  return {
    name: `${one.name} + ${other.name}`,
    lasts: one.lasts === true || other.lasts === true,
    async inject(place) {
      await Promise.all([one.inject(place), other.inject(place)]);
    },
    async after(place) {
      await Promise.all([one.after?.(place), other.after?.(place)]);
    },
  };
}
