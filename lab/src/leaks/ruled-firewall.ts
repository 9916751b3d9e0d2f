import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HolderConnection } from "@atlantic/companion/src/firewall/holder-connection.ts";
import type { RuleSet } from "@atlantic/companion/src/firewall/rule-set.ts";
import { startHolder } from "@atlantic/companion/src/firewall/start-holder.ts";
import { processesIn } from "../net/processes.ts";
import { holderCommand } from "./held-firewall.ts";
import type { Machine } from "./machine.ts";

/** The product's holder of rules, given rules and not policies: so they can be others than a policy's. */
export interface RuledFirewall {
  apply(rules: RuleSet): Promise<void>;
  open(): Promise<void>;
  /** Does something while the holder is stopped. */
  unwatched<Result>(use: () => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

export async function ruledFirewall(machine: Machine): Promise<RuledFirewall> {
  const socket = join(machine.folder, "ruled.socket");
  await startHolder({ socket, state: join(machine.folder, "ruled.json"), command: holderCommand(machine) });
  const pid = await holderOf(machine, socket);
  const connection = await HolderConnection.open(socket, { trouble() {}, gone() {} });
  return {
    apply: async (rules) => void (await connection.ask({ do: "apply", rules })),
    open: async () => void (await connection.ask({ do: "open" })),
    async unwatched(use) {
      process.kill(pid, "SIGSTOP");
      try {
        return await use();
      } finally {
        process.kill(pid, "SIGCONT");
      }
    },
    close: () => connection.end(),
  };
}

async function holderOf(machine: Machine, socket: string): Promise<number> {
  const pids = await processesIn(machine.namespace("machine"));
  const pid = pids.find((each) => readFileSync(`/proc/${each}/cmdline`, "utf8").includes(socket));
  if (pid === undefined) throw new Error("The holder of the rules is not there.");
  return pid;
}
