import type { Machine } from "../leaks/machine.ts";
import type { PhaseLinks } from "../leaks/phase-links.ts";
import type { Prober } from "../leaks/prober.ts";
import type { Probers } from "../leaks/probers.ts";
import { run } from "../net/run.ts";
import type { InstalledProduct } from "./installed-product.ts";
import type { ProtectedMachine } from "./protected-machine.ts";
import type { ShiftableClock } from "./shiftable-clock.ts";

/** Where faults are put in. */
export interface FaultPlace {
  readonly machine: Machine;
  readonly links: PhaseLinks;
  readonly probers: Probers;
  /** An ordinary program that does nothing but use the network: by it is told whether traffic is back. */
  readonly traveller: Prober;
  readonly product: ProtectedMachine;
  /** The clock of the product's processes. */
  readonly clock: ShiftableClock;
  /** Where the daemon is that of a package. */
  readonly installed: InstalledProduct | undefined;
}

/** Something that goes wrong. What it changed for good outside the product, `after` takes back when traffic is back. */
export interface Fault {
  readonly name: string;
  /** What of the lab it has to itself: two faults that take the same are not put in at once. */
  readonly takes?: "second link" | "the clock" | "an upstream" | "the disk" | "a device";
  /** It takes its time, and traffic is missed from its end on. */
  readonly lasts?: boolean;
  inject(place: FaultPlace): Promise<void>;
  /** @throws Error when something is not as it must be after the fault: that counts as a machine that did not come back */
  after?(place: FaultPlace): Promise<void>;
}

/** In the machine; that a command fails is a fault that does not bite, as deleting what the kernel guards. */
export async function inside({ machine }: FaultPlace, ...argv: readonly string[]): Promise<void> {
  await run(["ip", "netns", "exec", machine.namespace("machine"), ...argv]);
}
