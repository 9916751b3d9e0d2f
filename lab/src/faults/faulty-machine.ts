import { mkdirSync } from "node:fs";
import { buildMachine } from "../leaks/machine.ts";
import { PhaseLinks } from "../leaks/phase-links.ts";
import { Prober } from "../leaks/prober.ts";
import { startProbers } from "../leaks/probers.ts";
import { must, run } from "../net/run.ts";
import type { FaultPlace } from "./fault.ts";
import { InstalledProduct } from "./installed-product.ts";
import { daemonOfCheckout, ProtectedMachine } from "./protected-machine.ts";
import { ShiftableClock } from "./shiftable-clock.ts";
import { carries } from "./under-probes.ts";

const NOBODY = 65534;
/** The data folder is a disk of its own, small enough to be filled. */
const DISK_BYTES = 8 << 20;
const START_MS = 30_000;

export interface FaultyMachineOptions {
  /** The Debian package to install and run; default: the daemon runs from this checkout. */
  readonly package?: string;
  /** A program that is loaded into the daemon before its own. */
  readonly preload?: string;
  /** More of the daemon's environment. It may name files in the machine's folder. */
  readonly env?: (folder: string) => Readonly<Record<string, string>>;
}

/** A machine with the product on it, connected, all its traffic through the tunnel; given to `use`, and removed. */
export async function withFaultyMachine<Result>(
  options: FaultyMachineOptions,
  use: (place: FaultPlace) => Promise<Result>,
): Promise<Result> {
  const machine = await buildMachine();
  const data = `${machine.folder}/data`;
  const ending: (() => Promise<unknown>)[] = [() => machine.close()];
  try {
    const { preload, env } = options;
    mkdirSync(data);
    await must(["mount", "-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", data]);
    ending.unshift(() => run(["umount", data]));
    const clock = await ShiftableClock.build(machine.folder);
    const installed = options.package
      ? await InstalledProduct.install({
          package: options.package,
          namespace: machine.namespace("wire"),
          folder: machine.folder,
          shared: [machine.folder, data],
        })
      : undefined;
    if (installed) ending.unshift(() => installed.close());
    const nodeOptions = preload === undefined ? [] : ["--import", preload];
    const product = new ProtectedMachine(machine, {
      program: installed?.program ?? daemonOfCheckout(...nodeOptions),
      env: { ...clock.env, ...env?.(machine.folder) },
    });
    ending.unshift(() => product.close());
    const probers = await startProbers(machine, false);
    const traveller = await Prober.start(machine.namespace("machine"), NOBODY);
    const links = new PhaseLinks(machine);
    const place: FaultPlace = { machine, links, probers, traveller, product, clock, installed };
    await product.start();
    if ((await carries(place, START_MS)) === null)
      throw new Error(`The tunnel carries nothing: ${JSON.stringify(await product.view())}`);
    await links.segment();
    const result = await use(place);
    await machine.capture.stop();
    return result;
  } finally {
    for (const end of ending) await end();
  }
}
