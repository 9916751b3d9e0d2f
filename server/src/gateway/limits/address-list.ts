import ipaddr from "ipaddr.js";
import { canonicalAddress } from "../address-rules.ts";

type Range = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Entries of one list. */
export const MAX_ADDRESSES = 64;
/** The widest range of a list: a list that lets half the internet in is none. */
const WIDEST_BITS = { ipv4: 16, ipv6: 32 } as const;

/** Kinds of addresses (as ipaddr.js names them) that say nothing of who a client is, whatever else is asked of it. */
const nobody: ReadonlySet<string> = new Set([
  "unspecified",
  "broadcast",
  "multicast",
  "loopback",
  "linkLocal",
  "reserved",
  "ipv4Mapped",
  "rfc6145",
  "rfc6052",
  "6to4",
  "teredo",
]);

/** An entry of an address list that cannot be taken, and why. */
export interface AddressProblem {
  readonly problem: string;
}

/**
 * Reads an entry of an address list, an address or a range in CIDR, into its one spelling. Loopback is refused always:
 * behind a front on the same machine every client has that address.
 *
 * @param alone whether the address is all that a client shows: then private ranges, in which a front or a container's
 *   bridge may stand for anybody, are refused as well
 */
export function readAddressEntry(text: string, { alone }: { alone: boolean }): string | AddressProblem {
  const range = parseRange(text.trim());
  if (range === undefined) {
    return {
      problem: `"${shown(text)}" is not an address. Write it as 198.51.100.7, 198.51.100.0/24 or 2001:db8::/48.`,
    };
  }
  const [address, bits] = range;
  const kind = address.kind();
  const network = networkOf(range);
  const written = `${network}/${bits}`;
  if (bits < WIDEST_BITS[kind]) {
    return {
      problem: `${written} is too wide: it would let strangers in. The widest is /${WIDEST_BITS[kind]}.`,
    };
  }
  const type = ipaddr.parse(network).range();
  if (nobody.has(type)) {
    return {
      problem: `${written} says nothing about who a client is (${words(type)}). List public addresses.`,
    };
  }
  if (alone && (type === "private" || type === "uniqueLocal" || type === "carrierGradeNat")) {
    return {
      problem: `${written} is a private range: behind a front or a container's bridge anybody may have such an address. Ask for the password as well.`,
    };
  }
  const whole = bits === (kind === "ipv4" ? 32 : 128);
  return whole ? network : written;
}

function parseRange(text: string): Range | undefined {
  const plain = text.includes(":") ? !text.includes("%") : /^\d+\.\d+\.\d+\.\d+(\/\d+)?$/.test(text);
  if (!plain) return undefined;
  const cidr = text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`;
  return ipaddr.isValidCIDR(cidr) ? ipaddr.parseCIDR(cidr) : undefined;
}

function networkOf([address, bits]: Range): string {
  const cidr = `${address.toString()}/${bits}`;
  return address.kind() === "ipv4"
    ? ipaddr.IPv4.networkAddressFromCIDR(cidr).toString()
    : ipaddr.IPv6.networkAddressFromCIDR(cidr).toString();
}

function words(type: string): string {
  return type.replace(/([A-Z])/g, " $1").toLowerCase();
}

function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 60);
}

/** Client addresses that a credential's owner has listed. */
export class AddressList {
  readonly #ranges: readonly Range[];

  /** @throws Error when an entry could not be written today: whoever is not sure lets nobody in */
  constructor(entries: readonly string[]) {
    this.#ranges = entries.map((entry) => {
      const range = parseRange(entry);
      if (range === undefined || typeof readAddressEntry(entry, { alone: false }) !== "string") {
        throw new Error("An address list has an entry that it may not have.");
      }
      return range;
    });
  }

  /** Whether the client is listed. Loopback never is. */
  has(client: string): boolean {
    const text = canonicalAddress(client);
    if (text === undefined) return false;
    const address = ipaddr.parse(text);
    if (address.range() === "loopback") return false;
    return this.#ranges.some(
      ([network, bits]) => network.kind() === address.kind() && address.match(network, bits),
    );
  }
}
