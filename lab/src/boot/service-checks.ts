import { setTimeout as delay } from "node:timers/promises";
import { afterRounds, type BootPlace, carriesAgain, property } from "./boot-place.ts";
import { all, type Found, found, nothingBeside } from "./guarantees.ts";
import { packageFile } from "./system-additions.ts";

const DAEMON = "atlanticd.service";
const HOLDER = "atlantic-fw.service";
const ROUNDS = 50;
const KILLS = 8;

/** What becomes of traffic while systemd ends services and starts them again. */
export async function checkServices(place: BootPlace): Promise<void> {
  const { machine, check } = place;
  const killed = (...units: readonly string[]) =>
    restarts(place, units, () => machine.must("systemctl", "kill", "--signal=KILL", ...units));
  await check("SIGKILL of the daemon: systemd starts it again, nothing gets out.", () => killed(DAEMON));
  await check("SIGKILL of the holder: systemd starts it again, nothing gets out.", () => killed(HOLDER));
  await check("SIGKILL of both at once: the same.", () => killed(DAEMON, HOLDER));
  await check(`SIGKILL of the daemon ${KILLS} times in a row: systemd does not give up.`, () =>
    restarts(place, [DAEMON], async () => {
      for (let time = 0; time < KILLS; time++) {
        const before = await property(machine, DAEMON, "MainPID");
        await machine.must("systemctl", "kill", "--signal=KILL", DAEMON);
        await hasNewProcess(place, DAEMON, before);
      }
    }),
  );
  await check("systemctl restart, of the daemon and of the holder: nothing gets out.", () =>
    restarts(place, [DAEMON, HOLDER], async () => {
      for (const unit of [DAEMON, HOLDER]) await machine.must("systemctl", "restart", unit);
    }),
  );
  await check("The machine's network is set up anew by systemd-networkd: nothing gets out.", async () => {
    await machine.observe();
    await machine.must("systemctl", "restart", "systemd-networkd.service");
    return undisturbed(place);
  });
  await check("systemctl stop: the machine stays blocked until both are started again.", async () => {
    await machine.observe();
    await machine.must("systemctl", "stop", DAEMON, HOLDER);
    const dark = nothingBeside(await afterRounds(machine, ROUNDS));
    const isCarried = await machine.carries();
    await machine.must("systemctl", "start", HOLDER, DAEMON);
    return all(dark, found(!isCarried, "nothing was carried meanwhile"), await undisturbed(place));
  });
  await check("dpkg installs the package over itself under traffic: both start anew, nothing gets out.", () =>
    restarts(place, [DAEMON, HOLDER], () => machine.must("dpkg", "--install", packageFile)),
  );
}

/** Does it, and waits until units have new processes and traffic is carried. */
async function restarts(
  place: BootPlace,
  units: readonly string[],
  act: () => Promise<unknown>,
): Promise<Found> {
  await place.machine.observe();
  const before = await Promise.all(units.map((unit) => property(place.machine, unit, "MainPID")));
  await act();
  for (const [at, unit] of units.entries()) await hasNewProcess(place, unit, before[at] ?? "");
  return undisturbed(place);
}

/** Waits until a unit runs as another process than before. */
async function hasNewProcess({ machine }: BootPlace, unit: string, before: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const now = await property(machine, unit, "MainPID");
    if (now !== before && now !== "0") return;
    if (performance.now() > deadline) throw new Error(`${unit} was not started again.`);
    await delay(20);
  }
}

async function undisturbed({ machine }: BootPlace): Promise<Found> {
  const back = await carriesAgain(machine);
  return all(back, nothingBeside(await afterRounds(machine, ROUNDS)));
}
