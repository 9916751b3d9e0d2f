import { isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

const cidr = (text: string): Range => ipaddr.parseCIDR(text);

/** Addresses that no exit may reach: private, reserved, or leading back into this network. */
const deniedIPv4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
].map(cidr);

const deniedIPv6 = [
  "::/127",
  "64:ff9b:1::/48",
  "100::/64",
  "100:0:0:1::/64",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
  "2001:db8::/32",
  "2001::/23",
  "2002::/16",
  "3fff::/20",
  "5f00::/16",
].map(cidr);

/** IPv6 that only wraps an IPv4 address in its last four bytes, which is the one that counts. */
const wrapping = ["::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96"].map(cidr);

/** Whether an address is one of the public internet. What is no address is not. */
export function isPublicAddress(text: string): boolean {
  const address = readAddress(text);
  if (address === undefined) return false;
  if (address instanceof ipaddr.IPv4) return !within(address, deniedIPv4);
  if (within(address, deniedIPv6)) return false;
  return !within(address, wrapping) || !within(wrappedIPv4(address), deniedIPv4);
}

/** An address in its one spelling, IPv4 in IPv6 unwrapped; undefined for what is no address. */
export function canonicalAddress(text: string): string | undefined {
  const address = readAddress(text);
  if (address instanceof ipaddr.IPv6 && within(address, wrapping) && !within(address, deniedIPv6)) {
    return wrappedIPv4(address).toString();
  }
  return address?.toString();
}

/**
 * Whether a name is how some programs spell an IPv4 address, as in `0x7f.1`, `127.1` or `2130706433`: its last label
 * is a number (WHATWG URL §3.5, "ends in a number"). No name of the DNS ends so.
 */
export function endsInNumber(name: string): boolean {
  return /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/i.test(name);
}

/** Reads only the usual spelling: octal, hexadecimal and shortened IPv4 are names here, and no names. */
function readAddress(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  // ipaddr.js takes zeros before an embedded IPv4 address, which no system does.
  return isIPv6(text) && !text.includes("%") && ipaddr.IPv6.isValid(text)
    ? ipaddr.IPv6.parse(text)
    : undefined;
}

function wrappedIPv4(address: ipaddr.IPv6): ipaddr.IPv4 {
  return new ipaddr.IPv4(address.toByteArray().slice(-4));
}

function within(address: Address, ranges: readonly Range[]): boolean {
  return ranges.some(([network, bits]) => address.kind() === network.kind() && address.match(network, bits));
}

/** An address range with or without a port, as in `10.9.0.0/16`, `127.0.0.1:8080` or `[fd00::1]:443`. */
export interface AllowedRange {
  readonly range: Range;
  /** null for every port. */
  readonly port: number | null;
}

/** @throws Error that names the entry when it cannot be read */
export function parseAllowedRange(text: string): AllowedRange {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)|([0-9a-f:.]+(?:\/\d+)?))(?::(\d{1,5}))?$/i.exec(text);
  const written = match?.[1] ?? match?.[2] ?? match?.[3];
  const port = match?.[4] === undefined ? null : Number(match[4]);
  const whole = written?.includes("/") ? written : `${written}/${written?.includes(":") ? 128 : 32}`;
  if (!written || !ipaddr.isValidCIDR(whole) || (port !== null && (port < 1 || port > 65_535))) {
    throw new Error(`"${text}" is not an address range. Write it as 10.9.0.0/16, or 127.0.0.1:8080.`);
  }
  return { range: ipaddr.parseCIDR(whole), port };
}

/** Whether an address and port are in one of the ranges. */
export function isAllowed(text: string, port: number, allowed: readonly AllowedRange[]): boolean {
  const address = readAddress(canonicalAddress(text) ?? "");
  if (address === undefined) return false;
  return allowed.some((one) => (one.port === null || one.port === port) && within(address, [one.range]));
}
