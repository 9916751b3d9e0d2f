import { units } from "@atlantic/companion/src/service/service-files.ts";
import type { BootMachine } from "./boot-machine.ts";
import { afterRounds, type BootPlace, property, reaches } from "./boot-place.ts";
import { all, everythingSeen, found } from "./guarantees.ts";
import { upstream } from "./observed.ts";
import { systemState } from "./removal-checks.ts";
import { besideUnit, packageFile } from "./system-additions.ts";

const CONFIG = "/etc/atlantic/config.json";
/** Enough for addresses to be confirmed and neighbours to be asked for. */
const ROUNDS = 200;

/**
 * The package comes to a machine that runs, and nothing is protected yet.
 * @returns the machine's state before
 */
export async function checkInstallation({ machine, check }: BootPlace): Promise<string> {
  let before = "";
  await check("Control: without the product everything that is tried is seen outside.", async () => {
    await machine.boot();
    const state = await machine.booted();
    const seen = everythingSeen(await afterRounds(machine, ROUNDS));
    before = await systemState(machine);
    return all(found(state === "running", `systemd says: ${state}`), seen);
  });
  await check("dpkg installs the package: all units are enabled, and the holder runs.", async () => {
    await machine.must("dpkg", "--install", packageFile);
    const enabled = await Promise.all(units.map((unit) => property(machine, unit, "UnitFileState")));
    const holder = await property(machine, "atlantic-fw.service", "ActiveState");
    return all(
      found(
        enabled.every((state) => state === "enabled"),
        `units are ${enabled.join(", ")}`,
      ),
      found(holder === "active", `the holder is ${holder}`),
    );
  });
  await check("Told of its upstream, the daemon starts, and the machine is as open as before.", async () => {
    await writeConfig(machine);
    await machine.must("systemctl", "start", "atlanticd.service");
    await reaches(machine, "open");
    await machine.observe();
    return everythingSeen(await afterRounds(machine, ROUNDS));
  });
  await check("Control: a machine with the product and without lockdown sends while it boots.", async () => {
    await machine.goDown("reboot");
    await machine.observe();
    await machine.boot();
    await machine.booted();
    const seen = everythingSeen(await afterRounds(machine, ROUNDS));
    await reaches(machine, "open");
    return seen;
  });
  return before;
}

async function writeConfig(machine: BootMachine): Promise<void> {
  const { host, port, username, password } = upstream;
  const login = { host, port, username, password };
  const config = {
    upstream: { kind: "provider", provider: "socks5", ...login },
    proxyPort: 0,
    protection: {
      upstreams: [{ name: "only", kind: "socks5", ...login }],
      split: { mode: "all-but", cgroups: [`system.slice/${besideUnit}`] },
      validator: { everySeconds: 2 },
    },
  };
  const text = JSON.stringify(config);
  await machine.must("sh", "-c", `umask 027; echo '${text}' > ${CONFIG}; chgrp atlantic ${CONFIG}`);
}
