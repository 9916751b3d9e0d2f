import { ANSWER_MARK, DIRECT_MARK, MARK, PASSED_MARK, type Policy, type SplitRules } from "../policy.ts";
import { hasPorts, type Packet, type SimulatedLink } from "./packet.ts";
import { withinNetwork } from "./within-network.ts";

/**
 * What the policy promises, written down without a rule: whether a packet may leave by a link that is not the tunnel.
 * Every printer's simulator is held against it.
 *
 * @param packet as it was sent
 * @param mark as it is when it leaves: rules may have set it
 * @param out the link that it leaves by
 */
export function mayLeave(policy: Policy, packet: Packet, mark: number, out: SimulatedLink): boolean {
  return (
    isLinkScope(packet) ||
    isToUpstream(policy, packet) ||
    (policy.allowLan && isLocal(packet.destination) && !isQuestion(packet)) ||
    mayPass(packet, out) ||
    maySplit(policy, packet, mark)
  );
}

function isToUpstream(policy: Policy, { protocol, destination, destinationPort, mark }: Packet): boolean {
  const upstreams = policy.kind === "blocked" ? policy.bootstrap : policy.upstreams;
  return (
    mark === MARK &&
    upstreams.some(
      (each) => each.address === destination && each.protocol === protocol && each.port === destinationPort,
    )
  );
}

/** What a link itself needs; no more of it, and no longer, than it takes. */
function isLinkScope(packet: Packet): boolean {
  const { path, protocol, source, destination, sourcePort, destinationPort, icmpType, bytes, flood } = packet;
  if (flood) return false;
  if (path === "frame" && packet.frameType !== undefined) {
    const longest = new Map([
      [0x0806, 50],
      [0x888e, 1586],
      [0x8809, 114],
    ]).get(packet.frameType);
    if (longest !== undefined) return bytes <= longest;
  }
  if (protocol === "udp" && bytes <= 600)
    return (
      (destination === "255.255.255.255" && sourcePort === 68 && destinationPort === 67) ||
      (["ff02::1:2", "ff05::1:3"].includes(destination) &&
        withinNetwork(source, "fe80::/10") &&
        sourcePort === 546 &&
        destinationPort === 547)
    );
  if (protocol !== "icmpv6" || packet.icmpCode !== 0) return false;
  const onLink = withinNetwork(destination, "fe80::/10");
  if (icmpType === 133) return destination === "ff02::2" && bytes <= 80;
  if (icmpType === 135) return (onLink || withinNetwork(destination, "ff02::1:ff00:0/104")) && bytes <= 88;
  return icmpType === 136 && onLink && bytes <= 88;
}

/** Links to containers carry what passed the IP stack, and resets; only CAP_NET_ADMIN can pretend it. */
function mayPass({ path, mark, protocol }: Packet, { kind }: SimulatedLink): boolean {
  const passed = mark === PASSED_MARK || (mark === ANSWER_MARK && protocol === "tcp");
  return path === "frame" && passed && (kind === "bridge" || kind === "veth");
}

function maySplit(policy: Policy, packet: Packet, mark: number): boolean {
  const split = policy.kind === "connected" ? policy.split : null;
  if (!split) return false;
  const { path, user, destination } = packet;
  const isChosen =
    (path !== "forward" && user !== null && split.uids.includes(user)) ||
    (path === "output" && isInChosenGroup(split, packet)) ||
    split.destinations.some((each) => withinNetwork(destination, each));
  if (split.mode === "only") return !isChosen || (path === "frame" && !split.uids.includes(user ?? -1));
  return isChosen || mark === DIRECT_MARK;
}

/** One that is new is nobody's yet: with "only" it may be the chosen one, which was made again, where that one is. */
function isInChosenGroup({ mode, cgroups }: SplitRules, { controlGroup, newGroup }: Packet): boolean {
  if (controlGroup === null) return false;
  if (!newGroup) return cgroups.some((each) => `${controlGroup}/`.startsWith(`${each}/`));
  const above = controlGroup.split("/").slice(0, -1).join("/");
  return mode === "only" && (above === "" || cgroups.some((each) => `${each}/`.startsWith(`${above}/`)));
}

function isLocal(destination: string): boolean {
  return (
    LOCAL.some((each) => withinNetwork(destination, each)) && !withinNetwork(destination, "fd61:746c::/32")
  );
}

const LOCAL = [
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "224.0.0.0/24", "239.0.0.0/8"],
  ...[
    "255.255.255.255/32",
    "fe80::/10",
    "fc00::/7",
    "ff01::/16",
    "ff02::/16",
    "ff03::/16",
    "ff04::/16",
    "ff05::/16",
  ],
];

function isQuestion({ protocol, destinationPort }: Packet): boolean {
  return hasPorts(protocol) && (destinationPort === 53 || destinationPort === 853);
}
