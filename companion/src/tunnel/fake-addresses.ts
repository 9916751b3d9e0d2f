import { isIPv4 } from "node:net";

/** Addresses that stand for names, and those of the tunnel: never dialled as they are. */
export const FAKE_RANGES = [
  { address: "198.18.0.0", prefix: 15 },
  { address: "fd61:746c::", prefix: 32 },
] as const;

/** Whether an address, in its shortest form, is one of them. */
export function isFake(address: string): boolean {
  return isIPv4(address) ? /^198\.1[89]\./.test(address) : /^fd61:746c:/i.test(address);
}
