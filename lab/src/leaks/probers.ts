import { type Sender, senders } from "./compile.ts";
import type { Machine, MachineRole } from "./machine.ts";
import { ports } from "./matrix.ts";
import { Prober } from "./prober.ts";

const NOBODY = 65534;
const places: Readonly<Record<Sender, MachineRole>> = {
  user: "machine",
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
 */
export async function startProbers(machine: Machine, playsDaemon = true): Promise<Probers> {
  const start = (sender: Sender) =>
    Prober.start(machine.namespace(places[sender]), sender === "user" ? NOBODY : undefined);
  const [user, root, bridged, linked, macvlan, outside, daemon, receiver] = await Promise.all([
    ...senders.map(start),
    Prober.start(machine.namespace("machine")),
    Prober.start(machine.namespace("machine")),
  ]);
  if (!user || !root || !bridged || !linked || !macvlan || !outside || !daemon || !receiver)
    throw new Error("A prober is missing.");
  await Promise.all([outside.serve(ports), playsDaemon && daemon.serve(ports)]);
  await receiver.receive("DHCPv4", 4, 68);
  await receiver.receive("DHCPv6", 6, 546);
  await receiver.receive("icmp6", 6);
  return { by: { user, root, bridged, linked, macvlan, outside }, daemon, receiver };
}
