import type { Policy } from "@atlantic/companion/src/firewall/policy.ts";
import type { CompiledProbe } from "./compile.ts";
import { macs } from "./machine.ts";
import { endpointsOf, expected, isClosed, type Shape, type UpstreamSite } from "./matrix.ts";
import { describeSeen, type Seen, type SeenPacket } from "./seen.ts";

/** A case as it was sent. */
export interface SentCase {
  readonly shape: Shape;
  readonly sent: CompiledProbe;
}

/** What the frames of one segment say of the cases sent in it. */
export interface Account {
  /** Cases whose packets were seen outside, allowed or not. */
  readonly seen: ReadonlySet<SentCase>;
  /** Frames by what they are, where the policy allows them: ARP, neighbour discovery, DHCP, upstream, local network. */
  readonly allowed: ReadonlyMap<string, number>;
  /** Frames that nothing names and no policy allows. */
  readonly unnamed: readonly string[];
}

/** Names every frame that left the machine. */
export function account(
  frames: readonly Seen[],
  cases: readonly SentCase[],
  policies: readonly Policy[],
): Account {
  const byTag = new Map(cases.map((each) => [each.sent.probe.tag, each]));
  const seen = new Set<SentCase>();
  const allowed = new Map<string, number>();
  const unnamed: string[] = [];
  for (const frame of frames) {
    if (frame.sourceMac === macs.outside || frame.sourceMac === macs.outside2) continue;
    const named = caseOf(frame, byTag);
    if (named) {
      seen.add(named);
      continue;
    }
    const what =
      linkScope(frame) ?? upstreamOf(frame, policies) ?? localOf(frame, policies) ?? besideOf(policies);
    if (what === undefined) unnamed.push(describeSeen(frame));
    else allowed.set(what, (allowed.get(what) ?? 0) + 1);
  }
  return { seen, allowed, unnamed };
}

function caseOf({ ip }: Seen, byTag: ReadonlyMap<number, SentCase>): SentCase | undefined {
  if (!ip) return undefined;
  // An error about the outside's answer to a case is of that case.
  if (ip.about) return answeredCase(ip.about, byTag);
  for (const tag of [ip.sourcePort, ip.destinationPort, ip.echoId]) {
    const found = tag === null ? undefined : byTag.get(tag);
    if (!found) continue;
    const { to } = found.sent.probe;
    if ((found.sent.sender === "outside" ? ip.source : ip.destination) === to) return found;
  }
  return undefined;
}

function answeredCase(
  { source, destinationPort }: SeenPacket,
  byTag: ReadonlyMap<number, SentCase>,
): SentCase | undefined {
  const found = destinationPort === null ? undefined : byTag.get(destinationPort);
  return found?.sent.probe.to === source ? found : undefined;
}

/** What a link needs to work at all, and may carry in every state. */
function linkScope({ etherType, vlans, ip }: Seen): string | undefined {
  if (vlans.length > 0) return undefined;
  if (etherType === 0x0806) return "ARP";
  if (ip?.protocol === 58 && [133, 135, 136].includes(ip.icmpType ?? 0)) return "neighbour discovery";
  if (ip?.protocol !== 17) return undefined;
  const { sourcePort, destinationPort, destination } = ip;
  if (sourcePort === 68 && destinationPort === 67 && destination === "255.255.255.255") return "DHCP";
  if (sourcePort === 546 && destinationPort === 547 && destination.startsWith("ff0")) return "DHCPv6";
  return undefined;
}

function upstreamOf({ ip }: Seen, policies: readonly Policy[]): string | undefined {
  const numbers: Readonly<Record<string, number>> = { tcp: 6, udp: 17 };
  const named = policies.flatMap(endpointsOf).some(({ address, protocol, port }) => {
    const matches = ip?.protocol === numbers[protocol] && ip?.destinationPort === port;
    return matches && ip?.destination === address;
  });
  return named ? "upstream" : undefined;
}

/** Where only some traffic goes through the tunnel, the rest goes as ever: what must not is named. */
function besideOf(policies: readonly Policy[]): string | undefined {
  return policies.some((policy) => !isClosed(policy)) ? "beside the tunnel" : undefined;
}

const localPrefixes = ["192.168.", "10.", "239.", "224.0.0.", "fd", "fe80:", "ff02:", "ff05:"];

/** What belongs to a local network that is allowed: errors about its packets, for one. */
function localOf({ ip }: Seen, policies: readonly Policy[]): string | undefined {
  if (!ip || !policies.some(({ allowLan }) => allowLan)) return undefined;
  if (ip.destinationPort === 53 || ip.destinationPort === 853) return undefined;
  return localPrefixes.some((prefix) => ip.destination.startsWith(prefix)) ? "local network" : undefined;
}

/** What must become of a case while these policies are in force, one after the other; "either" where they differ. */
export function expectedUnder(
  shape: Shape,
  policies: readonly Policy[],
  upstream: UpstreamSite,
): "dark" | "seen" | "either" {
  const each = new Set(policies.map((policy) => expected(shape, policy, upstream)));
  const [first = "dark"] = each;
  return each.size > 1 ? "either" : first;
}
