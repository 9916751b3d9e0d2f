import { DIRECT_MARK, TUNNEL_ADDRESS4, TUNNEL_ADDRESS6 } from "@atlantic/companion/src/firewall/policy.ts";
import { type Ability, type AbilityPlace, always, eventually } from "./abilities.ts";
import { FAKE_ADDRESSES } from "./fake-addresses.ts";
import { addresses, linkLocal, macs, physicalLink } from "./machine.ts";
import { type Family, families, isClosed } from "./matrix.ts";
import type { Probe } from "./prober.ts";
import type { Seen } from "./seen.ts";

/** What a link needs to work, and what it must never do. Seen outside, while no route leads into the tunnel. */
export const linkAbilities: readonly Ability[] = [
  ...[
    "DHCPv4 asks",
    "DHCPv6 asks ff02::1:2",
    "DHCPv6 asks ff05::1:3",
    "routers are solicited",
    "neighbours are solicited at ff02::1:ff00:9",
    "neighbours are solicited at their link-local address",
    "neighbours are told the link-local address",
    "ARP is answered",
    "802.1X passes",
    "LACP passes",
    ...[
      "DHCPv4",
      "DHCPv6",
      "router advertisement",
      "neighbour solicitation",
      "redirect",
      "neighbour advertisement",
    ].map((what) => `${what} is received`),
  ].map((name) => ({ name, expected: always })),
  ...[
    "ARP is answered for the tunnel's address",
    "the tunnel's IPv4 address answers outside",
    "the tunnel's IPv6 address answers outside",
    "an address that stands for a name leaves by the link",
    "an address that stands for a name is forwarded to the link",
    ...families.map((family) => `a marked frame for the tunnel leaves by the link, IPv${family}`),
  ].map((name) => ({ name, expected: mayLeak(name) })),
];

/** Where only some traffic goes through the tunnel, others may send what they like; its addresses stay silent even so. */
function mayLeak(name: string): Ability["expected"] {
  return (policy) => !isClosed(policy) && !name.includes("the tunnel's");
}

const broadcast = "ff:ff:ff:ff:ff:ff";

/** Sends what link abilities are seen by. The frames of the segment that follows tell which there are. */
export async function sendLinkTrials({ machine, probers, nextTag }: AbilityPlace): Promise<LinkTrial> {
  const { root, user, bridged, outside } = probers.by;
  const probe = (
    family: Family,
    tag: number,
    to: string,
    port: number,
    rest: Partial<Probe> = {},
  ): Probe => ({
    tag,
    family,
    protocol: "udp",
    port,
    to,
    ...rest,
  });
  const fake = [nextTag(), nextTag()] as const;
  const frames = { 4: nextTag(), 6: nextTag() };
  const asked = [nextTag(), nextTag()] as const;
  const onLink = { device: physicalLink };
  await root.send(
    [
      probe(4, 68, "255.255.255.255", 67, onLink),
      probe(6, 546, "ff02::1:2", 547, { ...onLink, source: linkLocal.machine }),
      probe(6, 546, "ff05::1:3", 547, { ...onLink, source: linkLocal.machine }),
    ],
    1,
  );
  const discovery = (type: number, to: string) =>
    root.icmp6({ link: physicalLink, source: linkLocal.machine, to, type, body: target(linkLocal.outside) });
  await discovery(133, "ff02::2");
  await discovery(135, "ff02::1:ff00:9");
  await discovery(135, linkLocal.outside);
  await discovery(136, linkLocal.outside);
  await root.frame(physicalLink, frame("01:80:c2:00:00:03", macs.machine, 0x888e, Buffer.alloc(46)));
  await root.frame(physicalLink, frame("01:80:c2:00:00:02", macs.machine, 0x8809, Buffer.alloc(46)));
  for (const address of [addresses.machine[4], TUNNEL_ADDRESS4])
    await outside.frame("p0", frame(broadcast, macs.outside, 0x0806, arpRequest(address)));
  await user.send([probe(6, fake[0], FAKE_ADDRESSES[6], 443, onLink)], 1);
  await bridged.send([probe(6, fake[1], FAKE_ADDRESSES[6], 443)], 1);
  const beside = families.map((family): Probe => {
    const way = { link: physicalLink, source: addresses.machine[family], vlans: [], bypass: false };
    const raw = { ...way, sourceMac: macs.machine, destinationMac: macs.outside };
    return {
      tag: frames[family],
      family,
      protocol: "raw",
      port: 443,
      to: FAKE_ADDRESSES[family],
      mark: DIRECT_MARK,
      raw,
    };
  });
  await root.send(beside, 1);
  await machine.ip("outside", "route", "replace", `${TUNNEL_ADDRESS4}/32`, "via", addresses.machine[4]);
  await machine.ip("outside", "route", "replace", `${TUNNEL_ADDRESS6}/128`, "via", addresses.machine[6]);
  await outside.send([probe(4, asked[0], TUNNEL_ADDRESS4, 443), probe(6, asked[1], TUNNEL_ADDRESS6, 443)], 1);
  // With them the outside would answer what comes from these addresses.
  await machine.ip("outside", "route", "delete", `${TUNNEL_ADDRESS4}/32`);
  await machine.ip("outside", "route", "delete", `${TUNNEL_ADDRESS6}/128`);
  return { fake, frames, asked, received: await receivedOnLink({ probers }) };
}

/** Which frames mean what. */
export interface LinkTrial {
  readonly fake: readonly [number, number];
  readonly frames: Readonly<Record<Family, number>>;
  readonly asked: readonly [number, number];
  readonly received: readonly string[];
}

/** Reads the abilities from what was seen outside, and returns the frames that do not speak of them. */
export function linkAbilitiesIn(
  frames: readonly Seen[],
  trial: LinkTrial,
): { readonly names: readonly string[]; readonly rest: readonly Seen[] } {
  const names = new Set(trial.received);
  const rest: Seen[] = [];
  for (const seen of frames) {
    const name = seen.sourceMac === macs.machine ? nameOf(seen, trial) : undefined;
    if (name === undefined) rest.push(seen);
    else names.add(name);
  }
  return { names: [...names], rest };
}

function nameOf({ etherType, ip, arpSender }: Seen, { fake, frames, asked }: LinkTrial): string | undefined {
  if (etherType === 0x888e) return "802.1X passes";
  if (etherType === 0x8809) return "LACP passes";
  if (arpSender === TUNNEL_ADDRESS4) return "ARP is answered for the tunnel's address";
  if (arpSender === addresses.machine[4]) return "ARP is answered";
  if (!ip) return undefined;
  if (ip.sourcePort === 68) return "DHCPv4 asks";
  if (ip.sourcePort === 546) return `DHCPv6 asks ${ip.destination}`;
  if (ip.sourcePort === fake[0]) return "an address that stands for a name leaves by the link";
  if (ip.sourcePort === fake[1]) return "an address that stands for a name is forwarded to the link";
  if (ip.sourcePort === frames[ip.family])
    return `a marked frame for the tunnel leaves by the link, IPv${ip.family}`;
  if (asked.some((tag) => tag === ip.destinationPort))
    return `the tunnel's IPv${ip.family} address answers outside`;
  if (ip.icmpType === 133) return "routers are solicited";
  if (ip.icmpType === 135 && ip.destination === "ff02::1:ff00:9")
    return "neighbours are solicited at ff02::1:ff00:9";
  if (ip.icmpType === 135 && ip.destination === linkLocal.outside)
    return "neighbours are solicited at their link-local address";
  if (ip.icmpType === 136 && ip.destination === linkLocal.outside)
    return "neighbours are told the link-local address";
  return undefined;
}

const discoveryTypes: Readonly<Record<number, string>> = {
  134: "router advertisement",
  135: "neighbour solicitation",
  136: "neighbour advertisement",
  137: "redirect",
};

/** What the outside sends to the machine's link, and root there receives. */
async function receivedOnLink({ probers }: Pick<AbilityPlace, "probers">): Promise<string[]> {
  const { receiver } = probers;
  const { outside } = probers.by;
  await receiver.seen();
  await outside.send(
    [
      {
        tag: 67,
        family: 4,
        protocol: "udp",
        port: 68,
        to: addresses.machine[4],
        source: addresses.router[4],
      },
      {
        tag: 547,
        family: 6,
        protocol: "udp",
        port: 546,
        to: linkLocal.machine,
        source: linkLocal.outside,
        device: "p0",
      },
    ],
    1,
  );
  for (const type of Object.keys(discoveryTypes).map(Number)) {
    const body = type === 134 ? Buffer.alloc(12) : target(linkLocal.machine);
    // Neighbours may advertise from any address of theirs, and only they.
    const source = type === 136 ? addresses.router[6] : linkLocal.outside;
    await outside.icmp6({ link: "p0", source, to: linkLocal.machine, type, body });
  }
  const names = new Set<string>();
  await eventually(async () => {
    for (const { what, first } of (await receiver.seen()).received) {
      const name = what === "icmp6" ? discoveryTypes[first] : what;
      if (name !== undefined) names.add(`${name} is received`);
    }
    return names.size === 2 + Object.keys(discoveryTypes).length;
  });
  return [...names];
}

/** Reserved bits and a target, as neighbour solicitations and advertisements have them (RFC 4861 §4.3). */
function target(address: string): Buffer {
  const [head = "", tail = ""] = address.split("::");
  const words = (text: string) => text.split(":").filter((word) => word !== "");
  const zeros = Array.from({ length: 8 - words(head).length - words(tail).length }, () => "0");
  const groups = [...words(head), ...zeros, ...words(tail)].map((word) => word.padStart(4, "0"));
  return Buffer.concat([Buffer.alloc(4), Buffer.from(groups.join(""), "hex")]);
}

/** ARP for IPv4 over Ethernet (RFC 826), asked by the outside. */
function arpRequest(address: string): Buffer {
  const bytes = (text: string) => text.split(".").map(Number);
  return Buffer.concat([
    Buffer.from([0, 1, 8, 0, 6, 4, 0, 1]),
    hardware(macs.outside),
    Buffer.from(bytes(addresses.outside[4])),
    Buffer.alloc(6),
    Buffer.from(bytes(address)),
  ]);
}

function frame(to: string, from: string, type: number, body: Buffer): Buffer {
  return Buffer.concat([hardware(to), hardware(from), Buffer.from([type >> 8, type & 0xff]), body]);
}

function hardware(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}
