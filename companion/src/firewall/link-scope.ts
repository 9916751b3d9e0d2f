import { accept, family, into, network, out, port, protocol, rule } from "./build-rule.ts";
import { LOOPBACK_INDEX, type Match, type Rule } from "./rule-set.ts";

const ROUTER_SOLICIT = 133;
const NEIGHBOUR_SOLICIT = 135;
const NEIGHBOUR_ADVERT = 136;

/**
 * What a machine must say on its link to be on it at all: DHCP, router and neighbour discovery. Ordinary programs
 * cannot send it, root can dress payload as it: so each is limited in size and rate (RFC 2131, 8415, 4861).
 */
export function linkScopeOut(header: number): Rule[] {
  return [
    rule(
      "DHCPv4 to whoever serves it",
      [
        family(4),
        protocol("udp"),
        network("destination", "255.255.255.255/32"),
        port("source", 68),
        port("destination", 67),
        ...limits(header + 600, 10),
      ],
      accept,
    ),
    ...["ff02::1:2/128", "ff05::1:3/128"].map((servers) =>
      rule(
        `DHCPv6 to ${servers}`,
        [
          family(6),
          protocol("udp"),
          network("source", "fe80::/10"),
          network("destination", servers),
          port("source", 546),
          port("destination", 547),
          ...limits(header + 600, 10),
        ],
        accept,
      ),
    ),
    rule(
      "router solicitation",
      [...discovery(ROUTER_SOLICIT, "ff02::2/128"), ...limits(header + 80, 10)],
      accept,
    ),
    ...["ff02::1:ff00:0/104", "fe80::/10"].map((asked) =>
      rule(
        `neighbour solicitation to ${asked}`,
        [...discovery(NEIGHBOUR_SOLICIT, asked), ...limits(header + 88, 100)],
        accept,
      ),
    ),
    rule(
      "neighbour advertisement",
      [...discovery(NEIGHBOUR_ADVERT, "fe80::/10"), ...limits(header + 88, 100)],
      accept,
    ),
  ];
}

/** What comes back for it from addresses that need not be the local network's. */
export const fromAnywhere: readonly Rule[] = [
  rule(
    "DHCPv4 from a server",
    [family(4), protocol("udp"), port("source", 67), port("destination", 68)],
    accept,
  ),
  rule("neighbour advertisement", [family(6), protocol("icmpv6"), icmp(NEIGHBOUR_ADVERT)], accept),
];

/** All that comes back for it. */
export const linkScopeIn: readonly Rule[] = [
  ...fromAnywhere,
  rule(
    "DHCPv6 from a server",
    [
      family(6),
      protocol("udp"),
      network("source", "fe80::/10"),
      network("destination", "fe80::/10"),
      port("source", 547),
      port("destination", 546),
    ],
    accept,
  ),
  ...(
    [
      [134, "router advertisement"],
      [NEIGHBOUR_SOLICIT, "neighbour solicitation"],
      [137, "redirect to a better router"],
    ] as const
  ).map(([type, why]) =>
    rule(why, [family(6), network("source", "fe80::/10"), protocol("icmpv6"), icmp(type)], accept),
  ),
];

/** Frames below IP that a link needs, each recognised by what is written in the frame itself. */
export const frames: readonly Rule[] = [
  rule("ARP", [{ is: "frame-type", type: 0x0806 }, ...limits(64, 100)], accept),
  rule(
    "802.1X, which Wi-Fi and guarded ports need",
    [{ is: "frame-type", type: 0x888e }, ...limits(1600, 50)],
    accept,
  ),
  rule("LACP, which bonded links need", [{ is: "frame-type", type: 0x8809 }, ...limits(128, 20)], accept),
];

export const loopbackOut: Rule = rule("loopback", [out(LOOPBACK_INDEX)], accept);
export const loopbackIn: Rule = rule("loopback", [into(LOOPBACK_INDEX)], accept);

function discovery(type: number, to: string): Match[] {
  return [family(6), network("destination", to), protocol("icmpv6"), icmp(type)];
}

function icmp(type: number): Match {
  return { is: "icmp", family: 6, type, code: 0 };
}

function limits(bytes: number, perSecond: number): Match[] {
  return [
    { is: "at-most", bytes },
    { is: "rate", perSecond, burst: 2 * perSecond },
  ];
}
