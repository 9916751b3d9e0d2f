import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kill } from "../net/processes.ts";
import { run } from "../net/run.ts";
import type { Fault } from "./fault.ts";

/** A file of the daemon's cannot be read, and the daemon begins anew. */
function unreadable(name: string, file: string): Fault {
  return {
    name: `${name} unreadable, and the daemon killed`,
    takes: "the disk",
    async inject({ product }) {
      writeFileSync(join(product.data, "companion", file), "{");
      kill(product.daemonPid, "SIGKILL");
    },
  };
}

/** What is on disk, and the disk itself. */
export const diskFaults: readonly Fault[] = [
  unreadable("the wish on disk", "protection/wanted.json"),
  unreadable("the state file", "state.json"),
  {
    name: "the holder's rules on disk unreadable, and every process killed",
    takes: "the disk",
    async inject({ product }) {
      const holder = await product.holderPid();
      writeFileSync(join(product.data, "companion/protection/rules"), "{");
      kill(product.daemonPid, "SIGKILL");
      kill(holder, "SIGKILL");
    },
  },
  {
    name: "the disk full, and the daemon killed",
    takes: "the disk",
    async inject({ product }) {
      const { code } = await run(["dd", "if=/dev/zero", `of=${join(product.data, "filler")}`, "bs=64k"]);
      if (code === 0) throw new Error("The data folder is on a disk that cannot be filled.");
      kill(product.daemonPid, "SIGKILL");
    },
    async after({ product }) {
      rmSync(join(product.data, "filler"), { force: true });
    },
  },
];
