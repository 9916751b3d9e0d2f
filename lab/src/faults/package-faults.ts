import { kill } from "../net/processes.ts";
import type { Fault } from "./fault.ts";

/** As the unit has it (TimeoutStopSec). */
const STOP_MS = 10_000;

/** The services of the package, as `systemctl restart` ends them; both come back from the files that are there then. */
export const packageFaults: readonly Fault[] = [
  {
    name: "upgrade of the package by dpkg",
    takes: "the disk",
    lasts: true,
    async inject({ installed, product }) {
      if (!installed) throw new Error("No package is installed here.");
      await installed.upgrade();
      const holder = await product.holderPid();
      const ended = product.ends(STOP_MS);
      kill(holder, "SIGTERM");
      kill(product.daemonPid, "SIGTERM");
      await ended;
    },
  },
];
