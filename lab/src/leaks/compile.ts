import { CHOSEN_USER, chosenAddress } from "./chosen.ts";
import { addresses, macs, physicalLink } from "./machine.ts";
import type { Family, Shape, UpstreamSite, Way } from "./matrix.ts";
import type { Probe, RawFrame } from "./prober.ts";

/** Who sends a probe: an ordinary user, one that a split names, a program in a group that it names, root, a container, or the outside. */
export const senders = [
  "user",
  "chosenUser",
  "chosenGroup",
  "root",
  "bridged",
  "linked",
  "macvlan",
  "outside",
] as const;
export type Sender = (typeof senders)[number];

/** What a shape becomes: a probe, and who sends it. */
export interface CompiledProbe {
  readonly sender: Sender;
  readonly probe: Probe;
  /** A flow that must be open before the rules are there. */
  readonly held: boolean;
}

/** Where the probes of one phase go. */
export interface ProbePlace {
  /** The name of the machine's link that probes are bound to. */
  readonly link: string;
  /** Whether that is the link plugged in later. */
  readonly second: boolean;
  readonly upstream: UpstreamSite;
  /** The mark of the policy. */
  readonly mark: number;
}

/** An address outside that nothing names. */
export const elsewhere = { 4: "100.100.1.1", 6: "2001:db8:100::1" } as const;
const WRONG_MARK = 0x1234;

/** The packet for a shape. The tag is its source port or echo identifier, and unique in a run. */
export function compileShape(shape: Shape, tag: number, place: ProbePlace): CompiledProbe {
  const { way, family, protocol, port } = shape;
  const sender = senderOf(shape);
  const mark = markOf(way, place.mark);
  const probe: Probe = {
    tag,
    family,
    protocol,
    port,
    to: targetOf(way, family, place),
    ...(mark !== undefined && { mark }),
    ...(way === "bound to the link" && protocol !== "raw" && { device: place.link }),
    ...(protocol === "raw" && { raw: dress(sender, way, family, place) }),
  };
  return { sender, probe, held: way.includes("opened before") };
}

function senderOf({ way, protocol }: Shape): Sender {
  if (way === "asked from outside") return "outside";
  if (way.includes("bridged container")) return "bridged";
  if (way === "container on its own link") return "linked";
  if (way.startsWith("macvlan container")) return "macvlan";
  if (way === "chosen user" && protocol !== "raw") return "chosenUser";
  if (way === "chosen control group") return "chosenGroup";
  // Marks and raw frames are root's alone.
  return protocol === "raw" || way.includes("mark") || way.includes("root") ? "root" : "user";
}

function markOf(way: Way, mark: number): number | undefined {
  if (way.startsWith("right mark")) return mark;
  return way.startsWith("wrong mark") ? WRONG_MARK : undefined;
}

function targetOf(way: Way, family: Family, { second, upstream }: ProbePlace): string {
  if (way === "asked from outside") return (second ? addresses.machine2 : addresses.machine)[family];
  if (way.includes("container, to a neighbour")) return addresses.neighbour[family];
  if (way === "to a neighbour") return (second ? addresses.outside2 : addresses.neighbour)[family];
  if (way.includes("chosen destination")) return chosenAddress[family];
  return way.includes("to the upstream") ? upstream[family] : elsewhere[family];
}

function dress(sender: Sender, way: Way, family: Family, { link, second }: ProbePlace): RawFrame {
  const vlans = way === "VLAN tag" ? [77] : way === "two VLAN tags" ? [77, 78] : [];
  const common = {
    vlans,
    bypass: way === "bound to the link",
    ...(way === "chosen user" && { user: CHOSEN_USER }),
  };
  if (sender === "bridged" || sender === "linked" || sender === "macvlan")
    return {
      ...common,
      link: physicalLink,
      source: addresses[sender][family],
      sourceMac: macs[sender],
      destinationMac: { bridged: macs.bridge, linked: macs.toLinked, macvlan: macs.outside }[sender],
    };
  return {
    ...common,
    link,
    source: (second ? addresses.machine2 : addresses.machine)[family],
    sourceMac: second ? macs.machine2 : macs.machine,
    destinationMac: second ? macs.outside2 : macs.outside,
  };
}
