import { LED_PORT } from "@atlantic/companion/src/firewall/policy.ts";
import type { ControlGroup } from "../net/control-group.ts";
import { CHOSEN_USER } from "./chosen.ts";
import { type Sender, senders } from "./compile.ts";
import type { Machine, MachineRole } from "./machine.ts";
import { ports } from "./matrix.ts";
import { Prober } from "./prober.ts";

const NOBODY = 65_534;
const users: Partial<Readonly<Record<Sender, number>>> = {
  user: NOBODY,
  chosenUser: CHOSEN_USER,
  chosenGroup: NOBODY,
};
const places: Readonly<Record<Sender, MachineRole>> = {
  user: "machine",
  chosenUser: "machine",
  chosenGroup: "machine",
  root: "machine",
  bridged: "bridged",
  linked: "linked",
  macvlan: "macvlan",
  outside: "outside",
};

/** The programs that send and answer: one for each sender, and one that plays the daemon. */
export interface Probers {
  readonly by: Readonly<Record<Sender, Prober>>;
  /** Holds the tunnel's device, and accepts what is redirected. */
  readonly daemon: Prober;
  /** Receives what the machine's link brings: DHCP, and ICMPv6 of every type. */
  readonly receiver: Prober;
}

/**
 * Starts them. The outside echoes on every port of the matrix.
 * @param playsDaemon the machine does so as well, in the place of the product's daemon. Default true.
 * @param group what the program "in a chosen group" is put into. Default none: it is an ordinary one.
 */
export async function startProbers(
  machine: Machine,
  playsDaemon = true,
  group: ControlGroup | null = null,
): Promise<Probers> {
  const start = async (sender: Sender) =>
    [sender, await Prober.start(machine.namespace(places[sender]), users[sender])] as const;
  const [started, daemon, receiver] = await Promise.all([
    Promise.all(senders.map(start)),
    Prober.start(machine.namespace("machine")),
    Prober.start(machine.namespace("machine")),
  ]);
  const by = Object.fromEntries(started) as Record<Sender, Prober>;
  group?.take(by.chosenGroup.pid);
  await Promise.all([by.outside.serve(ports), playsDaemon && daemon.serve([...ports, LED_PORT])]);
  await receiver.receive("DHCPv4", 4, 68);
  await receiver.receive("DHCPv6", 6, 546);
  await receiver.receive("icmp6", 6);
  return { by, daemon, receiver };
}
