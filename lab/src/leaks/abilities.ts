import { setTimeout as delay } from "node:timers/promises";
import type { Policy } from "@atlantic/companion/src/firewall/policy.ts";
import type { ControlGroup } from "../net/control-group.ts";
import type { Sender } from "./compile.ts";
import type { Machine } from "./machine.ts";
import { isClosed } from "./matrix.ts";
import type { PhaseLinks } from "./phase-links.ts";
import type { Probe } from "./prober.ts";
import type { Probers } from "./probers.ts";
import type { TunnelDevice } from "./tunnel-device.ts";

/** Where abilities are tried: a machine under a policy, with the device and its routes up. */
export interface AbilityPlace {
  readonly machine: Machine;
  readonly probers: Probers;
  readonly links: PhaseLinks;
  readonly device: TunnelDevice;
  /** The chosen control group; null where none can be made. */
  readonly group: ControlGroup | null;
  /** Does something while nobody looks after the rules. */
  unwatched<Result>(use: () => Promise<Result>): Promise<Result>;
  /** Tags that nothing else of the run has. */
  nextTag(): number;
}

/** Something that can be observed of a machine, besides what leaves it in the matrix. */
export interface Ability {
  readonly name: string;
  /** Whether it must be so under a policy: what must not be is as much of a finding. */
  expected(policy: Policy): boolean;
}

export const always = () => true;
export const never = () => false;
export const isConnected = (policy: Policy) => policy.kind === "connected";
/** All traffic goes through the tunnel, but for what a split names. */
export const carriesAll = (policy: Policy) => isConnected(policy) && isClosed(policy);
export const hasUpstream = (policy: Policy) => policy.kind !== "blocked" || policy.bootstrap.length > 0;

/** How long something that must happen is waited for. What does not happen costs this long, once each. */
export const PATIENCE_MS = 1_200;

/** Exchanges something, and notes a name where it ends as is wanted: with an answer (null), or an error of that code. */
export type NotingExchange = (
  name: string,
  sender: Sender,
  probe: Omit<Probe, "tag">,
  wanted?: string | null,
) => Promise<void>;

/** @param names where names are noted */
export function notingExchange({ probers, nextTag }: AbilityPlace, names: string[]): NotingExchange {
  return async (name, sender, probe, wanted = null) => {
    const { error } = await probers.by[sender].exchange({ ...probe, tag: nextTag() }, PATIENCE_MS);
    if (error === wanted) names.push(name);
  };
}

/** Asks again until it holds, or for as long as is waited for what must happen. */
export async function eventually(holds: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    if (await holds()) return true;
    await delay(5);
  }
  return holds();
}
