import { hostsFile, type LabNode, ROUTER_ADDRESS, ROUTER_ADDRESS6 } from "../topology.ts";

/** The command, for `ip -batch`, that joins a node to the router by a link of its own. */
export function linkCommand(node: LabNode, namespace: string, router: string): string {
  return `link add eth0 netns ${namespace} type veth peer name ${node.role} netns ${router}`;
}

/** The commands, for `ip -batch -netns NODE`, that give a node its addresses and its way out. */
export function nodeCommands(node: LabNode): string[] {
  return [
    "link set lo up",
    ...node.addresses.map((address) => `addr add ${address}/32 dev eth0`),
    ...node.addresses6.map((address) => `addr add ${address}/128 dev eth0 nodad`),
    "link set eth0 up",
    `route add default via ${ROUTER_ADDRESS} dev eth0 onlink src ${node.addresses[0]}`,
    `route add ::/0 via ${ROUTER_ADDRESS6} dev eth0 onlink src ${node.addresses6[0]}`,
  ];
}

/** The commands, for `ip -batch -netns ROUTER`, that make the router reach its nodes. */
export function routerCommands(nodes: readonly LabNode[]): string[] {
  return [
    "link set lo up",
    ...nodes.flatMap((node) => [
      `addr add ${ROUTER_ADDRESS}/32 dev ${node.role}`,
      `addr add ${ROUTER_ADDRESS6}/64 dev ${node.role} nodad`,
      `link set ${node.role} up`,
      ...node.addresses.map((address) => `route add ${address}/32 dev ${node.role}`),
      ...node.addresses6.map((address) => `route add ${address}/128 dev ${node.role}`),
    ]),
  ];
}

/** The kernel settings that make a namespace forward what is not for itself. */
export const routerSettings = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];

/** Files that `ip netns exec` lays over those of /etc: names come from the hosts table and from nowhere else. */
export function etcFiles(extraHosts: Readonly<Record<string, string>>): Record<string, string> {
  return {
    hosts: hostsFile(extraHosts),
    "resolv.conf": "# No name server: the lab's names are in the hosts file.\nnameserver 127.0.0.1\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
  };
}
