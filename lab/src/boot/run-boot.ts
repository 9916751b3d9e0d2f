import { BootMachine } from "./boot-machine.ts";
import { checkConfinement } from "./confinement-checks.ts";
import { collect, type Guarantee } from "./guarantees.ts";
import { checkInstallation } from "./install-checks.ts";
import { checkBoots, checkConfiguration } from "./lockdown-checks.ts";
import { checkRemoval } from "./removal-checks.ts";
import { checkJournal, checkServices, checkSplit } from "./service-checks.ts";

export interface BootReport {
  /** The version of systemd, as Debian numbers it. */
  readonly systemd: string;
  readonly guarantees: readonly Guarantee[];
  readonly seconds: number;
}

/** Installs the package on a machine with systemd, and looks at what is promised of it, from boot to removal. */
export async function runBoot(product: string, onFound: (found: Guarantee) => void): Promise<BootReport> {
  const begun = performance.now();
  const machine = await BootMachine.build(product);
  try {
    const { all, check } = collect(onFound);
    const place = { machine, check };
    const before = await checkInstallation(place);
    await checkBoots(place);
    await checkConfiguration(place);
    await checkConfinement(place);
    await checkServices(place);
    await checkSplit(place);
    await checkJournal(place);
    await checkRemoval(place, before);
    await machine.endCapture();
    const systemd = (await machine.must("systemctl", "--version")).split("\n")[0] ?? "";
    return { systemd, guarantees: all, seconds: (performance.now() - begun) / 1000 };
  } finally {
    await machine.close();
  }
}
