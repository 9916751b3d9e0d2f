import { PRODUCT, serviceFiles } from "@atlantic/companion/src/service/service-files.ts";
import type { BootMachine } from "./boot-machine.ts";
import { afterRounds, type BootPlace, carriesAgain, reaches } from "./boot-place.ts";
import { all, everythingSeen, type Found, found, nothingBeside } from "./guarantees.ts";

const ROUNDS = 200;

/** What the kernel and the network have that a product could leave behind. */
export function systemState(machine: BootMachine): Promise<string> {
  const looks = [
    "nft list ruleset",
    "ip -4 rule",
    "ip -6 rule",
    "ip -4 route show table all",
    "ip -6 route show table all",
    "ls /sys/class/net",
    "sysctl --all --ignore --pattern '^net[.]ipv[46][.]' 2>/dev/null",
  ];
  return machine.must("sh", "-c", looks.join("; "));
}

/** @param before the machine's state before the product came */
export async function checkRemoval({ machine, check }: BootPlace, before: string): Promise<void> {
  await check("Removal is refused while the machine is connected: it would be opened.", async () => {
    await machine.observe();
    const { code, stderr } = await machine.run("dpkg", "--remove", "atlantic-proxy");
    const refused = found(code !== 0 && stderr.includes("atlantic disconnect"), `dpkg ended with ${code}`);
    return all(refused, await carriesAgain(machine), nothingBeside(await afterRounds(machine, ROUNDS)));
  });
  await check("With lockdown, disconnecting leaves the machine blocked.", async () => {
    await machine.must("atlantic", "disconnect");
    await reaches(machine, "locked");
    return nothingBeside(await afterRounds(machine, ROUNDS));
  });
  await check("Lockdown off opens it.", async () => {
    await machine.must("atlantic", "lockdown", "off");
    await reaches(machine, "open");
    await machine.observe();
    return everythingSeen(await afterRounds(machine, ROUNDS));
  });
  await check(
    "apt purge leaves rules, routes, settings, units and files as if it had never been there.",
    async () => {
      await machine.must("apt-get", "purge", "--yes", "atlantic-proxy");
      return all(sameState(before, await systemState(machine)), await noFiles(machine));
    },
  );
  await check("After it the machine boots as open as it was.", async () => {
    await machine.goDown("reboot");
    await machine.observe();
    await machine.boot();
    const state = await machine.booted();
    return all(
      found(state === "running", `systemd says: ${state}`),
      everythingSeen(await afterRounds(machine, ROUNDS)),
    );
  });
}

function sameState(before: string, after: string): Found {
  const [one, other] = [new Set(before.split("\n")), new Set(after.split("\n"))];
  const gone = [...one].filter((line) => !other.has(line)).map((line) => `- ${line}`);
  const come = [...other].filter((line) => !one.has(line)).map((line) => `+ ${line}`);
  const changes = [...gone, ...come];
  return found(
    changes.length === 0,
    changes.length === 0 ? `${one.size} lines of state alike` : changes.join("\n"),
  );
}

async function noFiles(machine: BootMachine): Promise<Found> {
  const folders = [
    PRODUCT,
    "/etc/atlantic",
    "/var/lib/atlantic",
    "/var/lib/atlantic-fw",
    "/run/atlantic",
    "/run/atlantic-fw",
  ];
  const paths = [...serviceFiles("").map(({ path }) => path), ...folders];
  const listed = await machine.run("ls", "-d", ...paths);
  const enabled = await machine.must("find", "/etc/systemd", "-name", "atlantic*");
  const known = await machine.must("systemctl", "list-units", "--all", "--no-legend", "atlantic*");
  const left = [listed.stdout, enabled, known].join("").trim();
  return found(left === "", left === "" ? "no file or unit left" : `left: ${left.replaceAll("\n", ", ")}`);
}
