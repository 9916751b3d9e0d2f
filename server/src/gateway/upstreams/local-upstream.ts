import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { dialDirect } from "@atlantic/native";
import { ProxyError } from "@atlantic/shared/errors.ts";
import {
  type LocalExit,
  localExitAddress,
  localExits,
  localExitsFor,
} from "@atlantic/shared/exits/adapters/local.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import { canonicalAddress } from "../address-rules.ts";
import type { CheckedTarget } from "../target-guard.ts";
import { pinnedLookup } from "./pinned-lookup.ts";
import type { ChosenExit, ExitPlace, LiveSession, Upstream } from "./upstream.ts";

/** Exits of this machine, told apart by their loopback source addresses: for demonstrations and tests. */
export function localUpstream(name: string, countries?: readonly string[]): Upstream {
  const offered = localExits.filter((one) => countries?.includes(one.country) ?? true);
  return {
    name,
    places: offered.map(placeOf),
    choose(exit: ExitSelector, session: LiveSession | undefined): ChosenExit | undefined {
      const fitting = localExitsFor(exit, offered);
      if (fitting.length === 0) return undefined;
      const key = session?.key ?? randomBytes(8).toString("hex");
      const chosen = fitting[Number.parseInt(key.slice(0, 6), 16) % fitting.length];
      return chosen && choice(name, chosen, localExitAddress(chosen, key));
    },
  };
}

function choice(upstream: string, exit: LocalExit, address: string): ChosenExit {
  return {
    upstream,
    country: exit.country,
    city: exit.city,
    label: exit.label,
    address,
    key: `${upstream} ${address}`,
    dial: (target, timeoutMs) => dialFrom(address, target, timeoutMs),
  };
}

/**
 * A loopback address can only reach this machine: what is elsewhere is dialled from the system's own address, as
 * these exits lead nowhere that the machine itself does not.
 */
function dialFrom(localAddress: string, target: CheckedTarget, timeoutMs: number): Promise<Socket> {
  const [first] = target.addresses;
  if (first === undefined) throw new ProxyError("dns_error");
  const base = { port: target.addressPort, timeoutMs };
  if (canonicalAddress(first)?.startsWith("127.")) return dialDirect({ ...base, host: first, localAddress });
  if (target.addresses.length === 1) return dialDirect({ ...base, host: first });
  return dialDirect({ ...base, host: target.host, lookup: pinnedLookup(target.addresses) });
}

function placeOf(exit: LocalExit): ExitPlace {
  const { country, region, city, label } = exit;
  return { id: `${country}-${city}`, country, region, city, label, network: "demonstration", servers: 1 };
}
