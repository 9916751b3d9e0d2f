import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { TABLE, TUNNEL_NAME } from "@atlantic/companion/src/firewall/policy.ts";
import { addresses, linkLocal, type Machine, secondLink } from "../leaks/machine.ts";
import type { PhaseLinks } from "../leaks/phase-links.ts";
import type { Probers } from "../leaks/probers.ts";
import { run } from "../net/run.ts";
import type { ProtectedMachine } from "./protected-machine.ts";

/** Where faults are put in. */
export interface FaultPlace {
  readonly machine: Machine;
  readonly links: PhaseLinks;
  readonly probers: Probers;
  readonly product: ProtectedMachine;
}

/** Something that goes wrong. What it changed for good outside the product, `after` takes back when traffic is back. */
export interface Fault {
  readonly name: string;
  inject(place: FaultPlace): Promise<void>;
  after?(place: FaultPlace): Promise<void>;
}

/** In the machine; that a command fails is a fault that does not bite, as deleting what the kernel guards. */
async function inside({ machine }: FaultPlace, ...argv: readonly string[]): Promise<void> {
  await run(["ip", "netns", "exec", machine.namespace("machine"), ...argv]);
}

function signal(
  name: string,
  which: NodeJS.Signals,
  pids: (place: FaultPlace) => Promise<(number | undefined)[]>,
): Fault {
  return {
    name,
    async inject(place) {
      for (const pid of await pids(place)) if (pid !== undefined) kill(pid, which);
    },
  };
}

function kill(pid: number, which: NodeJS.Signals): void {
  try {
    process.kill(pid, which);
  } catch {
    // It ended meanwhile.
  }
}

const daemon = async ({ product }: FaultPlace) => [product.daemonPid];
const holder = async ({ product }: FaultPlace) => [await product.holderPid()];
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

/** What goes wrong, each by itself. */
export const faults: readonly Fault[] = [
  signal("SIGKILL of the daemon", "SIGKILL", daemon),
  signal("abort of the daemon", "SIGABRT", daemon),
  signal("SIGKILL of atlantic-fw", "SIGKILL", holder),
  signal("every process killed at once", "SIGKILL", async (place) => [
    ...(await daemon(place)),
    ...(await holder(place)),
  ]),
  {
    name: "the daemon stands still for a while",
    async inject({ product }) {
      const pid = product.daemonPid;
      if (pid === undefined) return;
      kill(pid, "SIGSTOP");
      await delay(300);
      kill(pid, "SIGCONT");
    },
  },
  {
    name: "memory of the daemon exhausted",
    async inject(place) {
      const pid = place.product.daemonPid;
      if (pid !== undefined) await run(["prlimit", `--pid=${pid}`, "--data=1000000"]);
      // The next allocation of size ends it: traffic makes some.
      await delay(200);
      if (place.product.daemonPid === pid && pid !== undefined) kill(pid, "SIGABRT");
    },
  },
  {
    name: "nft flush ruleset",
    inject: (place) => inside(place, "nft", "flush", "ruleset"),
  },
  ...["inet", "netdev"].map(
    (family): Fault => ({
      name: `nft delete table ${family}`,
      inject: (place) => inside(place, "nft", "delete", "table", family, TABLE),
    }),
  ),
  {
    name: "the firewall's service loads rules of its own",
    async inject(place) {
      const rules =
        "flush ruleset\ntable inet filter { chain input { type filter hook input priority 0; } }\n";
      const netns = ["ip", "netns", "exec", place.machine.namespace("machine")];
      await run([...netns, "nft", "-f", "-"], { input: rules });
    },
    after: (place) => inside(place, "nft", "delete", "table", "inet", "filter"),
  },
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
    inject: ({ links }) => links.plug(secondLink),
    after: ({ links }) => links.unplug(),
  },
  {
    name: "the device deleted",
    inject: (place) => inside(place, "ip", "link", "delete", TUNNEL_NAME),
  },
  {
    name: "the upstream dies",
    inject: ({ product }) => product.restartUpstream(),
  },
  {
    name: "the wish on disk unreadable, and the daemon killed",
    async inject({ product }) {
      writeFileSync(join(product.data, "companion/protection/wanted.json"), "{");
      const pid = product.daemonPid;
      if (pid !== undefined) kill(pid, "SIGKILL");
    },
  },
  {
    name: "the disk full, and the daemon killed",
    async inject({ product }) {
      const { code } = await run(["dd", "if=/dev/zero", `of=${join(product.data, "filler")}`, "bs=64k"]);
      if (code === 0) throw new Error("The data folder is on a disk that cannot be filled.");
      const pid = product.daemonPid;
      if (pid !== undefined) kill(pid, "SIGKILL");
    },
    async after({ product }) {
      rmSync(join(product.data, "filler"), { force: true });
    },
  },
];

const hostile = ["0.0.0.0/1", "128.0.0.0/1"];
