import type { ExitSelector } from "../selector.ts";

/**
 * An exit of this machine for demonstrations: a place in name only, told apart by its loopback source addresses.
 * It leads nowhere that the machine itself does not.
 */
export interface LocalExit {
  readonly country: string;
  readonly continent: string;
  readonly region: string;
  readonly city: string;
  /** For people. */
  readonly label: string;
  /** The first three bytes of its addresses. */
  readonly network: `127.${number}.${number}`;
}

export const localExits: readonly LocalExit[] = [
  {
    country: "us",
    continent: "na",
    region: "new_york",
    city: "new_york",
    label: "New York, United States",
    network: "127.1.1",
  },
  {
    country: "de",
    continent: "eu",
    region: "berlin",
    city: "berlin",
    label: "Berlin, Germany",
    network: "127.1.2",
  },
  {
    country: "jp",
    continent: "as",
    region: "tokyo",
    city: "tokyo",
    label: "Tokyo, Japan",
    network: "127.1.3",
  },
];

const ADDRESSES_PER_EXIT = 200;

/** The local exits that fit a selector, none when it asks for what demonstrations do not have. */
export function localExitsFor(exit: ExitSelector, among = localExits): readonly LocalExit[] {
  if (exit.postalCode !== undefined || exit.asn !== undefined) return [];
  if (exit.ispTier !== undefined && exit.ispTier !== "demonstration") return [];
  return among.filter(
    (one) =>
      (exit.country === undefined || exit.country === one.country) &&
      (exit.countries?.includes(one.country) ?? true) &&
      (exit.continent === undefined || exit.continent === one.continent) &&
      (exit.region === undefined || exit.region === one.region) &&
      (exit.city === undefined || exit.city === one.city),
  );
}

/** The source address for a session key: the same key has the same address, another key most likely another. */
export function localExitAddress({ network }: LocalExit, sessionKey: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(sessionKey)) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${network}.${((hash >>> 0) % ADDRESSES_PER_EXIT) + 1}`;
}

/** Which local exit an address belongs to. */
export function localExitOf(address: string): LocalExit | undefined {
  return localExits.find(({ network }) => address.startsWith(`${network}.`));
}
