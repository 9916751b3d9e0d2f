import {
  ANSWER_MARK,
  CONTAINER_MARK,
  DIRECT_MARK,
  type Endpoint,
  MARK,
  PASSED_MARK,
  TUNNEL_MARK,
} from "../policy.ts";
import type { Protocol } from "../rule-set.ts";
import { policiesOf, tunnel } from "../testing/sample-policies.ts";
import { type Packet, packet, type SimulatedLink } from "./packet.ts";
import type { SimulatedRoutes } from "./simulate-rules.ts";

/** The machine of the matrix: its links, and what its policies name. */
export const physical: SimulatedLink = { index: 2 };
export const bridge: SimulatedLink = { index: 5, kind: "bridge" };
export const veth: SimulatedLink = { index: 6, kind: "veth" };
/** Another link, whatever it is called. */
export const impostor: SimulatedLink = { index: 77 };
export const loopback: SimulatedLink = { index: 1, loopback: true };
const device: SimulatedLink = { index: tunnel.index };
export const routes: SimulatedRoutes = { physical, tunnel: device, containers: bridge };

export const upstreams: readonly Endpoint[] = [
  { address: "203.0.113.7", protocol: "tcp", port: 7777 },
  { address: "2001:db8:7::7", protocol: "udp", port: 7778 },
];

export const policies = policiesOf(upstreams, {
  cgroups: ["app.slice/chosen"],
  uids: [1000],
  destinations: ["100.64.0.0/10", "2001:db8:5::/48"],
});

export type PolicyName = keyof typeof policies;
export const policyNames = Object.keys(policies) as PolicyName[];

const destinations = [
  ...["198.51.100.9", "192.168.1.9", "203.0.113.7", "100.64.1.1", "198.18.7.7"],
  ...[
    "2001:db8:9::9",
    "fe80::9",
    "fd00::9",
    "2001:db8:7::7",
    "2001:db8:5::5",
    "fd61:746c:1::7",
    "fd61:746c::2",
  ],
];
const ports: readonly [Protocol, number][] = [
  ["tcp", 53],
  ["udp", 53],
  ["tcp", 443],
  ["udp", 443],
  ["tcp", 853],
  ["udp", 853],
  ["tcp", 1337],
  ["udp", 1337],
  ["tcp", 7777],
  ["udp", 7778],
];

/**
 * Every way out that is known, and every way that must stay: state × family × protocol × port × link × mark × flow,
 * sent, written as a frame, taken, and forwarded.
 */
export const matrix: readonly Packet[] = [
  ...outgoing(),
  ...linkScope(),
  ...frames(),
  ...incoming(),
  ...forwarded(),
  ...ofTheChosen(),
];

function outgoing(): Packet[] {
  const senders: Partial<Packet>[] = [
    {},
    { out: impostor },
    { out: device },
    { out: device, source: "10.9.8.7" },
    { out: loopback },
    { out: loopback, mark: TUNNEL_MARK },
    { mark: MARK },
    { mark: 0x1234 },
    { mark: DIRECT_MARK },
    { mark: TUNNEL_MARK },
    { flow: "established" },
    { out: bridge, flow: "established", flowMark: ANSWER_MARK, reply: true, sourcePort: 18080 },
    { flow: "established", flowMark: ANSWER_MARK },
    { out: bridge, flow: "related", flowMark: CONTAINER_MARK, reply: true },
    { out: device, flow: "related", flowMark: CONTAINER_MARK, reply: true, source: "198.51.100.9" },
    { out: bridge, flow: "established", flowMark: CONTAINER_MARK, reply: true },
    { out: device, flow: "established", flowMark: ANSWER_MARK, reply: true },
    { out: device, flow: "established" },
  ];
  return destinations.flatMap((destination) =>
    senders.flatMap((sender) => {
      const six = destination.includes(":");
      // The device's own address, where nothing else is said.
      const source =
        sender.source ?? (sender.out === device ? (six ? tunnel.address6 : tunnel.address4) : null);
      const from = source?.includes(":") === six ? { source } : {};
      const rest: Partial<Packet> = { ...sender, destination };
      delete (rest as { source?: string }).source;
      return [
        ...ports.map(([protocol, destinationPort]) =>
          packet({ ...rest, ...from, protocol, destinationPort }),
        ),
        packet({ ...rest, ...from, protocol: six ? "icmpv6" : "icmp", icmpType: six ? 128 : 8 }),
      ];
    }),
  );
}

function linkScope(): Packet[] {
  const discovery = (icmpType: number, destination: string) =>
    ({ protocol: "icmpv6", icmpType, destination, source: "fe80::1", bytes: 72 }) as const;
  const right: Partial<Packet>[] = [
    {
      protocol: "udp",
      destination: "255.255.255.255",
      sourcePort: 68,
      destinationPort: 67,
      source: "0.0.0.0",
      bytes: 328,
    },
    ...["ff02::1:2", "ff05::1:3"].map(
      (destination) =>
        ({
          protocol: "udp",
          destination,
          sourcePort: 546,
          destinationPort: 547,
          source: "fe80::1",
          bytes: 120,
        }) as const,
    ),
    { ...discovery(133, "ff02::2"), bytes: 56 },
    discovery(135, "ff02::1:ff00:7"),
    discovery(135, "fe80::7"),
    discovery(136, "fe80::7"),
  ];
  const wrong: Partial<Packet>[] = [
    {},
    { bytes: 1400 },
    { flood: true },
    { icmpCode: 1, destinationPort: 547 },
  ];
  return right.flatMap((each) =>
    wrong.flatMap((twist) =>
      (["output", "frame"] as const).map((path) => packet({ ...each, ...twist, path, user: 1000 })),
    ),
  );
}

function frames(): Packet[] {
  const types = [0x0806, 0x888e, 0x8809].flatMap((frameType) =>
    [{ bytes: 40 }, { bytes: 1800 }, { bytes: 40, flood: true }].map((twist) =>
      packet({ path: "frame", frameType, user: 1000, ...twist }),
    ),
  );
  const written = destinations.flatMap((destination) =>
    [0, MARK, DIRECT_MARK, PASSED_MARK, ANSWER_MARK, 0x1234].flatMap((mark) =>
      [physical, bridge, veth, impostor].flatMap((out) =>
        ports.map(([protocol, destinationPort]) =>
          packet({ path: "frame", destination, mark, out, protocol, destinationPort }),
        ),
      ),
    ),
  );
  // Tagged for a VLAN, and of no kind that is known.
  const odd = [0x8100, 0x88a8, 0x1234].map((frameType) => packet({ path: "frame", frameType }));
  return [...types, ...written, ...odd];
}

function incoming(): Packet[] {
  const to4 = { destination: "192.0.2.1" };
  const to6 = { destination: "2001:db8::1" };
  const answers = upstreams.map(({ address, protocol, port }) => ({
    ...(address.includes(":") ? to6 : to4),
    protocol,
    source: address,
    sourcePort: port,
    flowMark: MARK,
    reply: true,
  }));
  const what: Partial<Packet>[] = [
    ...answers.flatMap((each) => (["established", "new"] as const).map((flow) => ({ ...each, flow }))),
    { ...to4, protocol: "icmp", icmpType: 3, icmpCode: 4, flow: "related", flowMark: MARK },
    { ...to6, protocol: "icmpv6", icmpType: 2, flow: "related", flowMark: MARK },
    { ...to4, protocol: "icmp", icmpType: 3, icmpCode: 4, flow: "related" },
    { ...to4, protocol: "udp", source: "10.0.0.1", sourcePort: 67, destinationPort: 68 },
    { ...to4, protocol: "udp", source: "198.51.100.1", sourcePort: 67, destinationPort: 68 },
    { destination: "2001:db8::1", source: "2001:db8::9", protocol: "icmpv6", icmpType: 136 },
    { destination: "fe80::1", source: "fe80::9", protocol: "udp", sourcePort: 547, destinationPort: 546 },
    ...[134, 135, 136, 137].map(
      (icmpType) => ({ destination: "fe80::1", source: "fe80::9", protocol: "icmpv6", icmpType }) as const,
    ),
    ...[
      to4,
      to6,
      { destination: "fe80::1" },
      { destination: tunnel.address4 },
      { destination: tunnel.address6 },
    ].flatMap((to) => [
      { ...to, destinationPort: 22 },
      { ...to, destinationPort: 22, source: to.destination.includes(":") ? "fe80::9" : "192.168.1.9" },
      { ...to, destinationPort: 22, source: to.destination.includes(":") ? "fd00::9" : "10.1.1.1" },
    ]),
    ...[to4, to6].flatMap((to) =>
      [DIRECT_MARK, TUNNEL_MARK, ANSWER_MARK, 0x1234].flatMap((flowMark) =>
        (["new", "established", "related"] as const).map((flow) => ({ ...to, flowMark, flow })),
      ),
    ),
    ...["198.18.0.2", "fd61:746c::2"].flatMap((destination) =>
      (["udp", "tcp"] as const).flatMap((protocol) =>
        [53, 443].map((destinationPort) => ({ destination, protocol, destinationPort })),
      ),
    ),
  ];
  return what.flatMap((each) =>
    [physical, bridge, veth, device, loopback].map((into) =>
      packet({ path: "input", into, user: null, ...each }),
    ),
  );
}

function forwarded(): Packet[] {
  const ways: Partial<Packet>[] = [
    ...[bridge, veth, physical].flatMap((into) => [
      { into, out: device },
      { into, out: physical },
      { into, out: device, flow: "established" } as const,
      { into, out: physical, flow: "established", flowMark: DIRECT_MARK } as const,
      { into, out: physical, spoofed: true },
      { into, out: physical, mark: 0x1234 },
      { into, out: physical, flowMark: 0x1234 },
    ]),
    { into: device, out: bridge, flow: "established" },
    { into: device, out: bridge },
    { into: device, out: device, flow: "established", flowMark: CONTAINER_MARK, reply: true },
    { into: physical, out: bridge, flow: "established", flowMark: DIRECT_MARK },
    { into: physical, out: bridge, flow: "established" },
  ];
  return [...destinations, "172.17.0.2", "fd00::17"].flatMap((destination) =>
    ways.flatMap((way) =>
      ports.map(([protocol, destinationPort]) =>
        packet({
          path: "forward",
          user: null,
          controlGroup: null,
          ...way,
          destination,
          protocol,
          destinationPort,
        }),
      ),
    ),
  );
}

function ofTheChosen(): Packet[] {
  const senders: Partial<Packet>[] = [
    { user: 1000 },
    ...["app.slice/chosen", "app.slice/chosen/inner", "app.slice/other", "app.slice"].flatMap(
      (controlGroup) => [{ controlGroup }, { controlGroup, newGroup: true }],
    ),
    { user: null, controlGroup: null, flow: "established", flowMark: DIRECT_MARK },
    { user: null, controlGroup: null, flow: "established", flowMark: TUNNEL_MARK },
    { user: 1000, mark: MARK },
    { controlGroup: "app.slice/chosen", mark: MARK },
    { user: 1000, out: device, source: "198.18.0.1" },
    { controlGroup: "app.slice/chosen", out: device, source: "198.18.0.1" },
  ];
  return [
    ...senders.flatMap((sender) =>
      destinations.flatMap((destination) => {
        const six = destination.includes(":");
        const rest = sender.source && six ? { ...sender, source: tunnel.address6 } : sender;
        return ports.map(([protocol, destinationPort]) =>
          packet({ ...rest, destination, protocol, destinationPort }),
        );
      }),
    ),
    ...destinations.map((destination) => packet({ path: "frame", destination, user: 1000 })),
  ];
}
