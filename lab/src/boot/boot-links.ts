import { addresses, macs, physicalLink } from "../leaks/machine.ts";
import { must } from "../net/run.ts";

/** The machine, all that is outside, and the cable between. */
export const roles = ["outside", "wire", "machine"] as const;
export type BootRole = (typeof roles)[number];

/** The outside's end of the machine's link, where every frame is captured. */
export const outsideLink = "p0";
export const marker = "239.255.9.10";

/** As for the leak matrix, the machine's link is an end of VXLAN (RFC 7348): its rules take a veth for a link to a container. */
const cable = { outside: "100.127.0.1", wire: "100.127.0.2" } as const;

function vxlan(name: string, mac: string, local: string, remote: string): string {
  return `link add ${name} address ${mac} mtu 1500 type vxlan id 1 local ${local} remote ${remote} dstport 4789 nolearning`;
}

/** Makes what is outside. Whatever is sent there anywhere is answered there. */
export async function makeOutside(namespace: (role: BootRole) => string): Promise<void> {
  await batch(undefined, [
    `netns add ${namespace("outside")}`,
    `netns add ${namespace("wire")}`,
    `link add cable netns ${namespace("outside")} mtu 9000 type veth peer name cable netns ${namespace("wire")} mtu 9000`,
  ]);
  await batch(namespace("wire"), [`addr add ${cable.wire}/30 dev cable`, "link set cable up"]);
  await batch(namespace("outside"), [
    "link set lo up",
    `addr add ${cable.outside}/30 dev cable`,
    "link set cable up",
    vxlan(outsideLink, macs.outside, cable.outside, cable.wire),
    `addr add ${addresses.outside[4]}/24 dev ${outsideLink}`,
    `addr add ${addresses.outside[6]}/64 dev ${outsideLink} nodad`,
    `link set ${outsideLink} up`,
    `route add ${marker}/32 dev ${outsideLink}`,
    "route add local 100.100.0.0/16 dev lo",
    "route add local 2001:db8:100::/48 dev lo",
  ]);
}

/** Plugs the machine's link in: a network without rules, routes or addresses, as a kernel begins with. */
export async function plugMachine(namespace: (role: BootRole) => string): Promise<void> {
  const machine = namespace("machine");
  await must(["ip", "netns", "add", machine]);
  await batch(namespace("wire"), [
    vxlan("x0", macs.machine, cable.wire, cable.outside),
    `link set x0 netns ${machine} name ${physicalLink}`,
  ]);
}

/** Takes away all that the machine's kernel had of a network. */
export async function unplugMachine(namespace: (role: BootRole) => string): Promise<void> {
  // The namespace itself goes a while after its name.
  await must(["ip", "-netns", namespace("machine"), "link", "delete", physicalLink]);
  await must(["ip", "netns", "delete", namespace("machine")]);
}

async function batch(namespace: string | undefined, commands: readonly string[]): Promise<void> {
  const where = namespace === undefined ? [] : ["-netns", namespace];
  await must(["ip", ...where, "-batch", "-"], { input: `${commands.join("\n")}\n` });
}
