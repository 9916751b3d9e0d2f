import { afterRounds, type BootPlace, carriesAgain, property, reaches } from "./boot-place.ts";
import { all, type Found, found, nothingBeside } from "./guarantees.ts";
import { packageFile } from "./system-additions.ts";

const ROUNDS = 100;

/** A machine that is locked, and then connected, goes down and comes up. */
export async function checkBoots(place: BootPlace): Promise<void> {
  const { machine, check } = place;
  await check("Locked: nothing gets out from the lock on until process 1 has ended.", async () => {
    await machine.must("atlantic", "lockdown", "on");
    await machine.observe();
    await machine.goDown("reboot");
    return nothingBeside(await machine.observe());
  });
  await check("Locked: from the first frame of the boot on nothing gets out.", async () => {
    await machine.boot();
    await machine.booted();
    await reaches(machine, "locked");
    return nothingBeside(await afterRounds(machine, ROUNDS));
  });
  await check("Static rules and the holder are there before the network, the daemon after both.", () =>
    inOrder(place),
  );
  await check("The holder's start is over when its rules are there, and not before.", async () => {
    const [unit, socket] = ["atlantic-fw.service", "/run/atlantic-fw/firewall.sock"];
    // In one go: nothing else shall take its time in between.
    const go = `systemctl stop ${unit}; rm ${socket}; systemctl start ${unit}; test -S ${socket}`;
    const { code } = await machine.run("sh", "-c", go);
    return all(found(code === 0, "it listens at once"), nothingBeside(await afterRounds(machine, ROUNDS)));
  });
  await check("Connected: all that is allowed goes through the upstream.", async () => {
    await machine.must("atlantic", "connect");
    return all(await carriesAgain(machine), nothingBeside(await afterRounds(machine, ROUNDS)));
  });
  await check("Connected: nothing gets out until process 1 has ended.", async () => {
    await machine.goDown("poweroff");
    return nothingBeside(await machine.observe());
  });
  await check(
    "Connected before: from the first frame of the boot until it is connected again nothing gets out.",
    () => bootAndConnect(place),
  );
  await check("The holder alone: without the static rules a boot lets nothing out either.", async () => {
    await machine.must("systemctl", "mask", "atlantic-early-boot.service");
    await machine.goDown("reboot");
    const down = nothingBeside(await machine.observe());
    const up = await bootAndConnect(place);
    await machine.must("systemctl", "unmask", "atlantic-early-boot.service");
    return all(down, up);
  });
  await check("The static rules alone: without the holder a boot lets nothing out either.", async () => {
    await machine.must("systemctl", "mask", "atlantic-fw.service");
    await machine.goDown("reboot");
    await machine.boot();
    await machine.booted();
    const dark = nothingBeside(await afterRounds(machine, ROUNDS));
    await machine.must("systemctl", "unmask", "atlantic-fw.service");
    await machine.must("systemctl", "start", "atlantic-fw.service");
    return all(dark, await carriesAgain(machine), nothingBeside(await machine.observe()));
  });
}

const CONFIG = "/etc/atlantic/config.json";

/** What a person does with the configuration does not open the machine. */
export async function checkConfiguration(place: BootPlace): Promise<void> {
  const { machine, check } = place;
  await check(
    "A damaged configuration: the daemon is tried again, nothing gets out; mended, it connects.",
    async () => {
      await machine.must("sh", "-c", `cp -p ${CONFIG} ${CONFIG}.whole && echo '{' > ${CONFIG}`);
      await machine.goDown("reboot");
      await machine.observe();
      await machine.boot();
      await machine.booted();
      const dark = nothingBeside(await afterRounds(machine, 2 * ROUNDS));
      const tries = Number(await property(machine, "atlanticd.service", "NRestarts"));
      const installed = await machine.run("dpkg", "--install", packageFile);
      await machine.must("mv", `${CONFIG}.whole`, CONFIG);
      const again = await carriesAgain(machine);
      return all(
        found(tries > 0, `started again ${tries} times`),
        found(installed.code === 0, `dpkg, installing the package over itself, ended with ${installed.code}`),
        dark,
        again,
        nothingBeside(await machine.observe()),
      );
    },
  );
  await check("Without a configuration the daemon is not started, and nothing gets out.", async () => {
    await machine.must("mv", CONFIG, `${CONFIG}.away`);
    await machine.goDown("reboot");
    await machine.observe();
    await machine.boot();
    await machine.booted();
    const state = await property(machine, "atlanticd.service", "ActiveState");
    const dark = nothingBeside(await afterRounds(machine, ROUNDS));
    await machine.must("mv", `${CONFIG}.away`, CONFIG);
    await machine.must("systemctl", "start", "atlanticd.service");
    const again = await carriesAgain(machine);
    return all(
      found(state === "inactive", `it is ${state}`),
      dark,
      again,
      nothingBeside(await machine.observe()),
    );
  });
}

async function bootAndConnect({ machine }: BootPlace): Promise<Found> {
  await machine.boot();
  await reaches(machine, "connected");
  const dark = nothingBeside(await afterRounds(machine, ROUNDS));
  return all(dark, await carriesAgain(machine));
}

/** Moments in microseconds since the kernel began, as systemd wrote them down. */
async function inOrder({ machine }: BootPlace): Promise<Found> {
  const at = async (unit: string, what: "InactiveExit" | "ActiveEnter") =>
    Number(await property(machine, unit, `${what}TimestampMonotonic`));
  const [rules, holder, network, begun, daemon] = await Promise.all([
    at("atlantic-early-boot.service", "ActiveEnter"),
    at("atlantic-fw.service", "ActiveEnter"),
    at("network-pre.target", "ActiveEnter"),
    at("systemd-networkd.service", "InactiveExit"),
    at("atlanticd.service", "InactiveExit"),
  ]);
  const since = (moment: number) => `${((moment - rules) / 1000).toFixed(0)} ms`;
  return found(
    rules > 0 && rules <= holder && holder <= network && network <= begun && holder <= daemon,
    `after the static rules: holder ${since(holder)}, network-pre.target ${since(network)}, systemd-networkd ${since(begun)}, daemon ${since(daemon)}`,
  );
}
