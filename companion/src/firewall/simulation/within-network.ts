import { BlockList, isIP } from "node:net";

const lists = new Map<string, BlockList>();

/** Whether an address is in a network in CIDR notation. False where their families differ. */
export function withinNetwork(address: string, network: string): boolean {
  const type = isIP(address) === 4 ? "ipv4" : "ipv6";
  let list = lists.get(network);
  if (!list) {
    const [first = "", bits = ""] = network.split("/");
    list = new BlockList();
    list.addSubnet(first, Number(bits), isIP(first) === 4 ? "ipv4" : "ipv6");
    lists.set(network, list);
  }
  return list.check(address, type);
}
