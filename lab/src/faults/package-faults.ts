import { type Fault, kill } from "./fault.ts";

/** The services of the package, as `systemctl restart` ends them; both come back from the files that are there then. */
export const packageFaults: readonly Fault[] = [
  {
    name: "upgrade of the package by dpkg",
    takes: "the disk",
    lasts: true,
    async inject({ installed, product }) {
      if (!installed) throw new Error("No package is installed here.");
      await installed.upgrade();
      kill(await product.holderPid(), "SIGTERM");
      kill(product.daemonPid, "SIGTERM");
    },
  },
];
