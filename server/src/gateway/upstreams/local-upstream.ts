import { randomUUID } from "node:crypto";
import type { DialPlan } from "@atlantic/native";
import { proxyErrorOf } from "@atlantic/shared/errors.ts";
import {
  type LocalExit,
  localExitAddress,
  localExits,
  localExitsFor,
} from "@atlantic/shared/exits/adapters/local.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import type { CheckedTarget } from "../target-guard.ts";
import { localDatagrams } from "../udp/local-datagrams.ts";
import type { ChosenExit, ExitPlace, LiveSession, Upstream } from "./upstream.ts";

/** Exits of this machine, told apart by their loopback source addresses: for demonstrations and tests. */
export function localUpstream(name: string, countries?: readonly string[]): Upstream {
  const offered = localExits.filter((one) => countries?.includes(one.country) ?? true);
  // A session stays with its exit: what was chosen for its first connection holds for all.
  const chosenFor = new WeakMap<LiveSession, ChosenExit>();

  function chooseFor(exit: ExitSelector, key: string): ChosenExit | undefined {
    const fitting = localExitsFor(exit, offered);
    const chosen = fitting[Number.parseInt(key.slice(0, 6), 16) % fitting.length];
    return chosen && choice(name, chosen, localExitAddress(chosen, key));
  }

  return {
    name,
    places: offered.map(placeOf),
    choose(exit: ExitSelector, session: LiveSession | undefined): ChosenExit | undefined {
      if (session === undefined) return chooseFor(exit, randomUUID().replaceAll("-", ""));
      const chosen = chosenFor.get(session) ?? chooseFor(exit, session.key);
      if (chosen) chosenFor.set(session, chosen);
      return chosen;
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
    plan: (target) => planFrom(address, target),
    datagrams: localDatagrams(address),
    explain: proxyErrorOf,
  };
}

/**
 * A loopback address can only reach this machine: what is elsewhere is dialled from the system's own address, as
 * these exits lead nowhere that the machine itself does not.
 */
function planFrom(localAddress: string, { addresses, addressPort }: CheckedTarget): DialPlan {
  if (!addresses[0]?.startsWith("127.")) return { addresses, port: addressPort };
  return { addresses: [addresses[0]], port: addressPort, localAddress };
}

function placeOf(exit: LocalExit): ExitPlace {
  const { country, region, city, label } = exit;
  return { id: `${country}-${city}`, country, region, city, label, network: "demonstration", servers: 1 };
}
