import { setTimeout as delay } from "node:timers/promises";
import type { BootMachine } from "./boot-machine.ts";
import { afterRounds, type BootPlace, carriesAgain, property } from "./boot-place.ts";
import { all, type Found, found, nothingBeside } from "./guarantees.ts";
import { upstream } from "./observed.ts";
import { besideProtocol, besideUnit, packageFile } from "./system-additions.ts";

const DAEMON = "atlanticd.service";
const HOLDER = "atlantic-fw.service";
const ROUNDS = 50;
const KILLS = 8;
/** Shorter than the product's, so that nobody waits a minute. */
const WATCHDOG_SECONDS = 6;

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
  await check("The daemon's start is over when it answers its control socket, and not before.", () =>
    startIsOver(place),
  );
  await check(
    "A daemon that hangs is started again by the watchdog: traffic returns, nothing gets out.",
    () => hangs(place),
  );
  await check("The machine's network is set up anew by systemd-networkd: nothing gets out.", async () => {
    await machine.observe();
    await machine.must("systemctl", "restart", "systemd-networkd.service");
    return undisturbed(place);
  });
  await check("systemd itself is executed anew: services go on, nothing gets out.", async () => {
    await machine.observe();
    const pids = () => Promise.all([DAEMON, HOLDER].map((unit) => property(machine, unit, "MainPID")));
    const before = await pids();
    await machine.must("systemctl", "daemon-reexec");
    const after = await pids();
    return all(
      found(after.join() === before.join(), "both are the processes they were"),
      await undisturbed(place),
    );
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

/** In one go: nothing else shall take its time in between. */
async function startIsOver(place: BootPlace): Promise<Found> {
  const { machine } = place;
  await machine.observe();
  const go = `systemctl stop ${DAEMON}; systemctl start ${DAEMON} && test -S /run/atlantic/control.sock && atlantic --json status`;
  const { code, stderr } = await machine.run("sh", "-c", go);
  const said = await property(machine, DAEMON, "StatusText");
  return all(
    found(code === 0, code === 0 ? "it answers at once" : stderr.trim()),
    found(/^Connect(ing|ed): /.test(said), `systemd was told: ${said}`),
    await undisturbed(place),
  );
}

/** Its main process is stopped, all threads of it, as in a hang that nothing ends. */
async function hangs(place: BootPlace): Promise<Found> {
  const { machine } = place;
  const own = await property(machine, DAEMON, "WatchdogUSec");
  const dropIn = `/run/systemd/system/${DAEMON}.d`;
  const write = `mkdir -p ${dropIn} && printf '[Service]\nWatchdogSec=${WATCHDOG_SECONDS}\n' > ${dropIn}/lab.conf`;
  await machine.must("sh", "-c", write);
  await machine.must("systemctl", "daemon-reload");
  await machine.must("systemctl", "restart", DAEMON);
  const before = await carriesAgain(machine);
  const begun = performance.now();
  const again = await restarts(place, [DAEMON], () =>
    machine.must("systemctl", "kill", "--kill-who=main", "--signal=STOP", DAEMON),
  );
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  const journal = await machine.must("journalctl", "--boot", `--unit=${DAEMON}`, "--output=cat");
  const timeouts = journal.split("\n").filter((line) => line.includes("Watchdog timeout")).length;
  await machine.must("rm", "-r", dropIn);
  await machine.must("systemctl", "daemon-reload");
  return all(
    before,
    found(/^[1-9]\d*(s|min)$/.test(own), `the package's watchdog: ${own}`),
    found(timeouts > 0, `the watchdog (${WATCHDOG_SECONDS} s here) found it, all over after ${seconds} s`),
    again,
  );
}

/** A unit that is started anew has another control group, of the same name. */
export async function checkSplit({ machine, check }: BootPlace): Promise<void> {
  await check(
    "Of all units, the one that the split tunnel leaves out goes beside it, also when started anew.",
    async () => {
      const parts: Found[] = [];
      for (const how of ["start", "restart"]) {
        await machine.must("systemctl", how, besideUnit);
        const { beside, rounds } = await afterRounds(machine, ROUNDS);
        const kinds = [...beside.keys()].join(", ");
        parts.push(
          found(
            kinds === `IPv4 protocol ${besideProtocol}`,
            `after its ${how} beside the tunnel: ${kinds || "nothing"}, in ${rounds} rounds`,
          ),
        );
      }
      await machine.must("systemctl", "stop", besideUnit);
      await machine.observe();
      return all(...parts, nothingBeside(await afterRounds(machine, ROUNDS)));
    },
  );
}

/** Who may read the journal is not who may read the configuration. */
export async function checkJournal({ machine, check }: BootPlace): Promise<void> {
  await check("Neither the journal nor a process tells the upstream's password.", async () => {
    const journal = await machine.must("journalctl", "--boot", "--output=export");
    // Some end meanwhile.
    const processes = (await machine.run("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ")).stdout;
    const lines = journal
      .split("\n")
      .filter((line) => /^UNIT=atlantic|^_SYSTEMD_UNIT=atlantic/.test(line)).length;
    return all(
      found(lines > 0, `${lines} entries of ours in the journal`),
      found(processes.includes("atlantic-fw"), "processes were read"),
      found(![journal, processes].some((text) => text.includes(upstream.password)), "none has it"),
    );
  });
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
  const dark = nothingBeside(await afterRounds(machine, ROUNDS));
  return all(back, dark, await oneHolder(machine));
}

/** A holder that systemd did not start would keep the one that it starts away. */
async function oneHolder(machine: BootMachine): Promise<Found> {
  const main = await property(machine, HOLDER, "MainPID");
  const { stdout } = await machine.run("sh", "-c", "grep -lx atlantic-fw /proc/[0-9]*/comm");
  const running = stdout.match(/\d+/g) ?? [];
  return found(running.join() === main, `holders: ${running.join(", ")}; systemd's: ${main}`);
}
