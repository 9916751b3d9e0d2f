import { setTimeout as delay } from "node:timers/promises";
import { kill } from "../net/processes.ts";
import type { Fault } from "./fault.ts";

/** The wall clock of the product's processes jumps while they run, and back again later. */
function jump(days: number): Fault {
  return {
    name: `the clock jumps by ${days} days`,
    takes: "the clock",
    async inject({ clock }) {
      clock.shift(days);
      await delay(100);
    },
    after: async ({ clock }) => clock.shift(0),
  };
}

export const clockFaults: readonly Fault[] = [
  jump(30),
  jump(-30),
  {
    name: "the clock jumps by 400 days, and the daemon killed",
    takes: "the clock",
    async inject({ clock, product }) {
      clock.shift(400);
      kill(product.daemonPid, "SIGKILL");
    },
    after: async ({ clock }) => clock.shift(0),
  },
  {
    // As after a machine was suspended, or moved: a daemon whose monotonic clock is another than the holder's.
    name: "the daemon begins anew with another monotonic clock",
    takes: "the clock",
    async inject({ product }) {
      product.nextStartUnder(["unshare", "--time", "--monotonic", "8640000", "--boottime", "8640000"]);
      kill(product.daemonPid, "SIGKILL");
    },
  },
];
