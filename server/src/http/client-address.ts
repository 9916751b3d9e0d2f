import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/** Says which address a request came from. */
export type ClientAddress = (request: IncomingMessage) => string | null;

/**
 * The peer of the connection; when that is a trusted proxy, the last address of X-Forwarded-For that is not.
 *
 * @param trusted addresses, or networks as in 10.0.0.0/8.
 * @throws RangeError for one that is neither.
 */
export function clientAddress(trusted: readonly string[]): ClientAddress {
  const list = new BlockList();
  for (const one of trusted) addTo(list, one);
  const isTrusted = (address: string) => list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  return (request) => {
    const peer = plain(request.socket.remoteAddress);
    if (peer === null || !isTrusted(peer)) return peer;
    const forwarded = String(request.headers["x-forwarded-for"] ?? "").split(",");
    const hops = forwarded.map((hop) => plain(hop.trim())).reverse();
    for (const hop of hops) if (hop === null || !isTrusted(hop)) return hop ?? peer;
    return peer;
  };
}

function addTo(list: BlockList, text: string): void {
  const [address = "", bits] = text.split("/");
  const family = isIP(address);
  const length = Number(bits ?? (family === 6 ? 128 : 32));
  if (family === 0 || !Number.isInteger(length)) throw new RangeError(`${text} is no address and no network`);
  list.addSubnet(address, length, family === 6 ? "ipv6" : "ipv4");
}

/** An address without the IPv6 dress of IPv4; null for what is none. */
function plain(address: string | undefined): string | null {
  const bare = address?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "";
  return isIP(bare) === 0 ? null : bare;
}
