import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Firewall, openFirewall } from "@atlantic/companion/src/firewall/firewall.ts";
import type { Machine } from "./machine.ts";

/** The program that holds the rules, where `npm run build:native` puts it. */
const program = fileURLToPath(new URL("../../../native/dist/atlantic-fw", import.meta.url));

/** The product's firewall in the machine's namespace, held by a process there, which ends with the machine. */
export function heldFirewall(machine: Machine, holding: "owned" | "watched"): Promise<Firewall> {
  return openFirewall({
    socket: join(machine.folder, "firewall.socket"),
    state: join(machine.folder, "firewall.json"),
    command: holderCommand(machine),
    ...(holding === "watched" && { holding }),
  });
}

/** How the holder is started there. Not by "ip netns exec": that hides control groups. */
export function holderCommand(machine: Machine): string[] {
  return ["nsenter", `--net=/run/netns/${machine.namespace("machine")}`, program];
}
