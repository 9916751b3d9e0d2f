import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { type DialOptions, dialDirect } from "@atlantic/native";
import { ProxyError } from "@atlantic/shared/errors.ts";
import {
  type LocalExit,
  localExitAddress,
  localExits,
  localExitsFor,
} from "@atlantic/shared/exits/adapters/local.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import type { CheckedTarget } from "../target-guard.ts";
import { pinnedLookup } from "./pinned-lookup.ts";
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
  if (first.startsWith("127.")) return dialFromPort({ ...base, host: first, localAddress });
  if (target.addresses.length === 1) return dialDirect({ ...base, host: first });
  return dialDirect({ ...base, host: target.host, lookup: pinnedLookup(target.addresses) });
}

const FIRST_PORT = 16_384;
const PORT_TRIES = 16;
const nextPort = new Map<string, number>();

/**
 * The system searches long for a free port once an address has thousands of closed connections that linger
 * (TIME_WAIT): it was a third of a tunnel's whole cost. Counting up finds one at once.
 */
async function dialFromPort(options: DialOptions & { localAddress: string }): Promise<Socket> {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const localPort = nextPort.get(options.localAddress) ?? FIRST_PORT;
    nextPort.set(options.localAddress, localPort === 65_535 ? FIRST_PORT : localPort + 1);
    try {
      return await dialDirect({ ...options, localPort });
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  }
  return dialDirect(options);
}

function isTaken(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return code === "EADDRINUSE" || code === "EADDRNOTAVAIL";
}

function placeOf(exit: LocalExit): ExitPlace {
  const { country, region, city, label } = exit;
  return { id: `${country}-${city}`, country, region, city, label, network: "demonstration", servers: 1 };
}
