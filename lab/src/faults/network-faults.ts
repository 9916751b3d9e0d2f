import { setTimeout as delay } from "node:timers/promises";
import { TUNNEL_NAME } from "@atlantic/companion/src/firewall/policy.ts";
import { addresses, linkLocal, secondLink } from "../leaks/machine.ts";
import { run } from "../net/run.ts";
import { type Fault, type FaultPlace, inside } from "./fault.ts";

const link = ["dev", "eth0"] as const;
const gateway = ["via", addresses.outside[4], ...link, "metric", "100"] as const;
const gateway6 = ["::/0", "via", addresses.outside[6], ...link, "metric", "100"] as const;

/** Puts one address or route away, and back a moment later. */
function awayAndBack(name: string, away: readonly string[][], back: readonly string[][]): Fault {
  return {
    name,
    async inject(place) {
      for (const argv of away) await inside(place, "ip", ...argv);
      await delay(100);
      for (const argv of back) await inside(place, "ip", ...argv);
    },
  };
}

const routesBack = [
  ["route", "replace", "default", ...gateway],
  ["-6", "route", "replace", ...gateway6],
];

/** Neighbours are known in this lab, and forgotten by a link that goes down. */
const neighboursBack = [
  ["neigh", "replace", addresses.outside[4], "lladdr", "02:00:00:00:00:01", ...link, "nud", "permanent"],
  ["neigh", "replace", addresses.outside[6], "lladdr", "02:00:00:00:00:01", ...link, "nud", "permanent"],
];

const hostile = ["0.0.0.0/1", "128.0.0.0/1"];

/** Links, addresses and routes. */
export const networkFaults: readonly Fault[] = [
  awayAndBack(
    "link down and up",
    [["link", "set", "eth0", "down"]],
    [
      ["link", "set", "eth0", "up"],
      ["addr", "replace", `${addresses.machine[6]}/64`, ...link, "nodad"],
      ...neighboursBack,
      ...routesBack,
    ],
  ),
  awayAndBack(
    "address goes and comes",
    [["addr", "delete", `${addresses.machine[4]}/24`, ...link]],
    [["addr", "replace", `${addresses.machine[4]}/24`, ...link], ...routesBack],
  ),
  awayAndBack("default route goes and comes", [["route", "delete", "default", ...gateway]], routesBack),
  {
    name: "hostile DHCP routes (option 121)",
    async inject(place) {
      for (const range of hostile)
        await inside(place, "ip", "route", "add", range, "via", addresses.outside[4], ...link);
    },
    async after(place) {
      for (const range of hostile) await inside(place, "ip", "route", "delete", range, ...link);
    },
  },
  {
    name: "router advertisement from a stranger",
    async inject({ probers }) {
      // Hop limit 64, high preference, an hour of life (RFC 4861 §4.2, RFC 4191).
      const body = Buffer.from([64, 0x08, 0x0e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0]);
      await probers.by.outside.icmp6({
        link: "p0",
        source: linkLocal.outside,
        to: "ff02::1",
        type: 134,
        body,
      });
    },
  },
  awayAndBack(
    "the link takes smaller packets",
    [["link", "set", "eth0", "mtu", "1280"]],
    [["link", "set", "eth0", "mtu", "1500"]],
  ),
  {
    name: "kernel settings changed",
    inject: (place) =>
      inside(
        place,
        "sysctl",
        "-qw",
        "net.ipv4.conf.all.rp_filter=1",
        "net.ipv4.conf.all.src_valid_mark=0",
        "net.ipv4.conf.all.arp_ignore=0",
      ),
  },
  {
    name: "a link plugged in with a better metric",
    takes: "second link",
    inject: ({ links }) => links.plug(secondLink),
    after: ({ links }) => links.unplug(),
  },
  ofDevice("the device deleted", (device) => [`link delete ${device}`]),
  ofDevice("the device brought down", (device) => [`link set ${device} down`]),
  {
    ...ofDevice("an impostor in the place of the device", (device) => [
      "link add stranger type bridge",
      `link delete ${device}`,
      `link set stranger name ${device}`,
      `link set ${device} up`,
    ]),
    after: (place) =>
      inside(
        place,
        "sh",
        "-c",
        "ip -o link show type bridge | grep -o 'atlantic-tun[0-9]*' | xargs -n 1 ip link delete",
      ),
  },
  renamedBesideImpostor(),
];

/** A link that is plugged in takes the device's name, and the device gets another. */
function renamedBesideImpostor(): Fault {
  let device = "";
  return {
    name: "the device renamed, and an impostor beside it",
    takes: "second link",
    async inject(place) {
      await place.links.plug(secondLink);
      device = await deviceOf(place);
      await batch(place, [
        `link set ${device} down`,
        `link set ${device} name renamed`,
        `link set ${secondLink} down`,
        `link set ${secondLink} name ${device}`,
        `link set ${device} up`,
      ]);
    },
    async after(place) {
      await batch(place, [`link set ${device} down`, `link set ${device} name ${secondLink}`]);
      await place.links.unplug();
    },
  };
}

/** Done to the tunnel's device, by whatever name it has now. */
function ofDevice(name: string, commands: (device: string) => readonly string[]): Fault {
  return {
    name,
    takes: "a device",
    inject: async (place) => batch(place, commands(await deviceOf(place))),
  };
}

async function deviceOf({ machine }: FaultPlace): Promise<string> {
  const { stdout } = await run([
    "ip",
    "-netns",
    machine.namespace("machine"),
    "-o",
    "link",
    "show",
    "type",
    "tun",
  ]);
  return /^\d+: (\S+?):/m.exec(stdout)?.[1] ?? TUNNEL_NAME;
}

/** At once, as far as may be. */
async function batch({ machine }: FaultPlace, commands: readonly string[]): Promise<void> {
  const netns = ["-netns", machine.namespace("machine")];
  await run(["ip", "-force", ...netns, "-batch", "-"], { input: `${commands.join("\n")}\n` });
}
