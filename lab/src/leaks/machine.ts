import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type FrameCapture, startFrameCapture } from "../capture/frame-capture.ts";
import { labFolder, nextLabPrefix } from "../lab-name.ts";
import { ipBatch } from "../net/ip-batch.ts";
import { removeLeftovers, removeNamespaces } from "../net/namespaces.ts";
import { must } from "../net/run.ts";

/** The namespaces: the machine under test, three containers of it, all that is outside, and the cable between. */
const roles = ["outside", "wire", "machine", "bridged", "linked", "macvlan"] as const;
export type MachineRole = (typeof roles)[number];

/** Hardware addresses: what left the machine is told by them. */
export const macs = {
  outside: "02:00:00:00:00:01",
  machine: "02:00:00:00:00:02",
  macvlan: "02:00:00:00:00:03",
  outside2: "02:00:00:00:00:11",
  machine2: "02:00:00:00:00:12",
  bridge: "02:00:00:00:00:21",
  bridged: "02:00:00:00:00:22",
  toLinked: "02:00:00:00:00:31",
  linked: "02:00:00:00:00:32",
} as const;

/**
 * Addresses of the machine and its containers on each side. Containers have public ones, which no rule for the local
 * network knows.
 */
export const addresses = {
  outside: { 4: "192.168.77.1", 6: "fd77::1" },
  neighbour: { 4: "192.168.77.50", 6: "fd77::50" },
  /** The outside's as well, and in no network that counts as local. */
  router: { 4: "100.100.1.1", 6: "2001:db8:100:1::1" },
  machine: { 4: "192.168.77.2", 6: "fd77::2" },
  macvlan: { 4: "192.168.77.3", 6: "fd77::3" },
  bridge: { 4: "203.0.113.1", 6: "2001:db8:88::1" },
  bridged: { 4: "203.0.113.2", 6: "2001:db8:88::2" },
  toLinked: { 4: "198.51.100.1", 6: "2001:db8:89::1" },
  linked: { 4: "198.51.100.2", 6: "2001:db8:89::2" },
  outside2: { 4: "192.168.78.1", 6: "fd78::1" },
  machine2: { 4: "192.168.78.2", 6: "fd78::2" },
} as const;

/** Link-local addresses that the links have by their hardware addresses (RFC 4291, appendix A). */
export const linkLocal = { outside: "fe80::ff:fe00:1", machine: "fe80::ff:fe00:2" } as const;

/** All of these are the outside's own: whatever is sent there is answered there. */
const anywhere = { 4: "100.100.0.0/16", 6: "2001:db8:100::/48" } as const;

export const physicalLink = "eth0";
export const secondLink = "eth1";
const markers = { p0: "239.255.9.10", p1: "239.255.9.11" } as const;

/**
 * A machine with a physical link, a bridged container, one on a link of its own, a macvlan container, and an outside that
 * counts every frame. Its default route leads out of the physical link; neighbours are known, so that no probe waits for
 * them.
 */
export interface Machine {
  /** The full name of a namespace, for `ip netns exec`. */
  namespace(role: MachineRole): string;
  /** A folder that is removed with the machine. */
  readonly folder: string;
  /** `ip` in one of the namespaces. */
  ip(role: MachineRole, ...argv: readonly string[]): Promise<string>;
  /** Runs a program in one of the namespaces; it must succeed. */
  exec(role: MachineRole, ...argv: readonly string[]): Promise<string>;
  /** What passes the outside end of the physical link. */
  readonly capture: FrameCapture;
  /** Plugs the second link in, under this name and with the better metric; it is captured from before it is there. */
  plug(name: string): Promise<FrameCapture>;
  unplug(name: string): Promise<void>;
  /** Puts the machine's kernel settings back to what they were before any rules. */
  resetSettings(): Promise<void>;
  close(): Promise<void>;
}

/** Builds one. It must be closed; what a killed process leaves, the next lab removes. */
export async function buildMachine(): Promise<Machine> {
  await removeLeftovers();
  const prefix = nextLabPrefix();
  const namespace = (role: MachineRole) => `${prefix}-${role}`;
  const folder = labFolder(prefix);
  mkdirSync(folder, { mode: 0o711 });
  const ip = (role: MachineRole, ...argv: readonly string[]) =>
    must(["ip", "-netns", namespace(role), ...argv]);
  const exec = (role: MachineRole, ...argv: readonly string[]) =>
    must(["ip", "netns", "exec", namespace(role), ...argv]);
  const captures: FrameCapture[] = [];
  const capture = async (link: keyof typeof markers) => {
    const file = join(folder, `${link}-${captures.length}.pcap`);
    const options = { namespace: namespace("outside"), link, filter: "", file, marker: markers[link] };
    const started = await startFrameCapture(options);
    captures.push(started);
    return started;
  };
  try {
    await makeNamespaces(namespace);
    return {
      namespace,
      folder,
      ip,
      exec,
      capture: await capture("p0"),
      async plug(name) {
        await ipBatch(namespace("outside"), [
          outsideEnd("p1", 2),
          ...outsideCommands("p1", addresses.outside2, macs.machine2, addresses.machine2),
          ...containerRoutes(addresses.machine2, 10),
        ]);
        const second = await capture("p1");
        await ipBatch(namespace("wire"), [
          machineEnd("x1", 2, macs.machine2),
          `link set x1 netns ${namespace("machine")} name ${name} up`,
        ]);
        await ipBatch(namespace("machine"), linkCommands(name, "2", 50));
        return second;
      },
      async unplug(name) {
        await ip("machine", "link", "delete", name);
        await ip("outside", "link", "delete", "p1");
      },
      resetSettings: () => set(namespace("machine"), [...(settings.machine ?? []), ...ownedSettings]),
      close: () => removeNamespaces(prefix),
    };
  } catch (error) {
    await removeNamespaces(prefix);
    throw error;
  }
}

/** Somebody else's rules: with them the kernel knows flows from before ours, as on a machine with containers. */
const OTHERS =
  "add table inet others; add chain inet others out { type filter hook output priority 10; }; add rule inet others out ct state established accept";

async function makeNamespaces(namespace: (role: MachineRole) => string): Promise<void> {
  const [outside, machine] = [namespace("outside"), namespace("machine")];
  await ipBatch(null, [...roles.map((role) => `netns add ${namespace(role)}`)]);
  for (const role of roles) await set(namespace(role), [...everywhere, ...(settings[role] ?? [])]);
  await ipBatch(null, [
    `link add cable netns ${outside} mtu ${CABLE_MTU} type veth peer name cable netns ${namespace("wire")} mtu ${CABLE_MTU}`,
  ]);
  await ipBatch(outside, [
    `addr add ${cable.outside}/30 dev cable`,
    "link set cable up",
    outsideEnd("p0", 1),
  ]);
  await ipBatch(namespace("wire"), [
    `addr add ${cable.wire}/30 dev cable`,
    "link set cable up",
    machineEnd("x0", 1, macs.machine),
    `link set x0 netns ${machine} name eth0`,
  ]);
  await ipBatch(outside, [
    "link set lo up",
    `route add local ${anywhere[4]} dev lo`,
    `route add local ${anywhere[6]} dev lo`,
    ...outsideCommands("p0", addresses.outside, macs.machine, addresses.machine),
    ...neighbours("p0", addresses.macvlan, macs.macvlan),
    `addr replace ${linkLocal.outside}/64 dev p0 nodad`,
    `addr add ${addresses.neighbour[4]}/32 dev p0`,
    `addr add ${addresses.neighbour[6]}/128 dev p0 nodad`,
    ...containerRoutes(addresses.machine, 100),
  ]);
  await ipBatch(machine, [
    "link set lo up",
    "link set eth0 up",
    ...linkCommands("eth0", "", 100),
    // By itself it would come a moment later.
    `addr replace ${linkLocal.machine}/64 dev eth0 nodad`,
    ...neighbours("eth0", addresses.neighbour, macs.outside),
    `link add br0 address ${macs.bridge} type bridge`,
    `link add vb0 type veth peer name eth0 netns ${namespace("bridged")} address ${macs.bridged}`,
    "link set vb0 master br0 up",
    ...gatewayCommands("br0", addresses.bridge, macs.bridged, addresses.bridged),
    `link add vd0 address ${macs.toLinked} type veth peer name eth0 netns ${namespace("linked")} address ${macs.linked}`,
    ...gatewayCommands("vd0", addresses.toLinked, macs.linked, addresses.linked),
    `link add link eth0 name mv0 address ${macs.macvlan} type macvlan mode bridge`,
    `link set mv0 netns ${namespace("macvlan")} name eth0`,
  ]);
  await must(["ip", "netns", "exec", machine, "nft", OTHERS]);
  await ipBatch(namespace("bridged"), containerCommands(addresses.bridged, addresses.bridge, macs.bridge));
  await ipBatch(namespace("linked"), containerCommands(addresses.linked, addresses.toLinked, macs.toLinked));
  await ipBatch(namespace("macvlan"), containerCommands(addresses.macvlan, addresses.outside, macs.outside));
}

/**
 * Physical links are ends of VXLAN (RFC 7348), for rules take a veth for a link to a container: the machine sees an
 * Ethernet link, and what carries it is in other namespaces.
 */
const cable = { outside: "100.127.0.1", wire: "100.127.0.2" } as const;
const CABLE_MTU = 9000;

function outsideEnd(name: keyof typeof markers, number: number): string {
  const mac = name === "p0" ? macs.outside : macs.outside2;
  return vxlan(name, number, mac, cable.outside, cable.wire);
}

function machineEnd(name: string, number: number, mac: string): string {
  return vxlan(name, number, mac, cable.wire, cable.outside);
}

function vxlan(name: string, number: number, mac: string, local: string, remote: string): string {
  const tunnel = `id ${number} local ${local} remote ${remote} dstport 4789 nolearning`;
  return `link add ${name} address ${mac} mtu 1500 type vxlan ${tunnel}`;
}

/** Addresses are there at once, errors are not rationed, and everybody may have ping sockets. */
const everywhere = [
  "net.ipv4.icmp_ratelimit=0",
  "net.ipv6.icmp.ratelimit=0",
  "net.ipv6.conf.default.dad_transmits=0",
  "net.ipv4.ping_group_range=0 2147483647",
] as const;

const settings: Partial<Readonly<Record<MachineRole, readonly string[]>>> = {
  // It answers everything, and with every address that it is asked by.
  outside: ["net.ipv6.ip_nonlocal_bind=1"],
  // As a machine with containers is; strict about sources, as many distributions are.
  machine: [
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.conf.all.rp_filter=1",
    "net.ipv4.conf.default.rp_filter=1",
  ],
};

/** Those that the rules hold, as a kernel begins with. */
const ownedSettings = [
  "net.ipv4.conf.all.src_valid_mark=0",
  "net.ipv4.conf.all.arp_ignore=0",
  "net.ipv4.fwmark_reflect=0",
  "net.ipv6.fwmark_reflect=0",
] as const;

async function set(namespace: string, values: readonly string[]): Promise<void> {
  await must(["ip", "netns", "exec", namespace, "sysctl", "-qw", ...values]);
}

type Pair = { readonly 4: string; readonly 6: string };

function neighbours(link: string, pair: Pair, mac: string): string[] {
  return [
    `neigh replace ${pair[4]} lladdr ${mac} dev ${link} nud permanent`,
    `neigh replace ${pair[6]} lladdr ${mac} dev ${link} nud permanent`,
  ];
}

function outsideCommands(link: keyof typeof markers, own: Pair, mac: string, peer: Pair): string[] {
  return [
    `addr add ${own[4]}/24 dev ${link}`,
    `addr add ${own[6]}/64 dev ${link} nodad`,
    `link set ${link} up`,
    ...neighbours(link, peer, mac),
    `route add ${markers[link]}/32 dev ${link}`,
  ];
}

/** Addresses and default routes of one of the machine's links: `number` "" for the first one. */
function linkCommands(link: string, number: "" | "2", metric: number): string[] {
  const [own, gateway, mac] = [
    addresses[`machine${number}`],
    addresses[`outside${number}`],
    macs[`outside${number}`],
  ];
  return [
    `addr add ${own[4]}/24 dev ${link}`,
    `addr add ${own[6]}/64 dev ${link} nodad`,
    ...neighbours(link, gateway, mac),
    `route add default via ${gateway[4]} dev ${link} metric ${metric}`,
    `route add ::/0 via ${gateway[6]} dev ${link} metric ${metric}`,
  ];
}

/** How the outside reaches the containers; answers take the link that the machine asked by. */
function containerRoutes(machine: Pair, metric: number): string[] {
  return [
    ...["203.0.113.0/24", "198.51.100.0/24"].map(
      (net) => `route add ${net} via ${machine[4]} metric ${metric}`,
    ),
    ...["2001:db8:88::/64", "2001:db8:89::/64"].map(
      (net) => `route add ${net} via ${machine[6]} metric ${metric}`,
    ),
  ];
}

/** The machine's end of a link to a container. */
function gatewayCommands(link: string, own: Pair, mac: string, container: Pair): string[] {
  return [
    `addr add ${own[4]}/24 dev ${link}`,
    `addr add ${own[6]}/64 dev ${link} nodad`,
    `link set ${link} up`,
    ...neighbours(link, container, mac),
  ];
}

function containerCommands(own: Pair, gateway: Pair, mac: string): string[] {
  return [
    "link set lo up",
    `addr add ${own[4]}/24 dev eth0`,
    `addr add ${own[6]}/64 dev eth0 nodad`,
    "link set eth0 up",
    ...neighbours("eth0", gateway, mac),
    `route add default via ${gateway[4]}`,
    `route add ::/0 via ${gateway[6]}`,
  ];
}
