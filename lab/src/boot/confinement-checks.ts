import { units } from "@atlantic/companion/src/service/service-files.ts";
import { type BootPlace, property } from "./boot-place.ts";
import { all, type Found, found } from "./guarantees.ts";

/** Numbers of capabilities (linux/capability.h). */
const NET_BIND_SERVICE = 10n;
const NET_ADMIN = 12n;
const NET_RAW = 13n;

const services = [
  { unit: "atlantic-fw.service", capabilities: [NET_ADMIN] },
  { unit: "atlanticd.service", capabilities: [NET_ADMIN, NET_BIND_SERVICE, NET_RAW] },
] as const;

/** What the processes of the units may do, as the kernel has it. */
export async function checkConfinement(place: BootPlace): Promise<void> {
  const { machine, check } = place;
  for (const { unit, capabilities } of services) {
    await check(`${unit} has its user, its capabilities and no way to more.`, () =>
      credentials(place, unit, capabilities),
    );
    await check(`${unit} can write where it keeps its things, and nowhere else.`, () => files(place, unit));
  }
  await check(
    "atlantic-fw.service sees no device; atlanticd.service may open the tunnel's and no other.",
    () => devices(place),
  );
  await check("systemd finds nothing to say of the units' files.", async () => {
    const files = units.map((unit) => `/usr/lib/systemd/system/${unit}`);
    const { code, stdout, stderr } = await machine.run("systemd-analyze", "verify", "--man=no", ...files);
    const said = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("atlantic"));
    return found(code === 0 && said.length === 0, `it ended with ${code} ${said.join("; ")}`.trim());
  });
  await check("systemd itself calls each unit well confined (exposure below 5 of 10).", async () => {
    const scores = await Promise.all(
      units.map(async (unit) => {
        const text = await machine.must("systemd-analyze", "security", "--no-pager", unit);
        return { unit, exposure: Number(/Overall exposure level for \S+: ([\d.]+)/.exec(text)?.[1] ?? NaN) };
      }),
    );
    return found(
      scores.every(({ exposure }) => exposure < 5),
      scores.map(({ unit, exposure }) => `${unit} ${exposure}`).join(", "),
    );
  });
}

async function credentials(
  { machine }: BootPlace,
  unit: string,
  capabilities: readonly bigint[],
): Promise<Found> {
  const status = await machine.must("cat", `/proc/${await property(machine, unit, "MainPID")}/status`);
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
  const user = (await machine.must("id", "--user", "atlantic")).trim();
  const wanted = capabilities.reduce((mask, bit) => mask | (1n << bit), 0n);
  const sets = ["CapPrm", "CapEff", "CapBnd"].map((name) => BigInt(`0x${field(name)}`));
  const uids = new Set(field("Uid").split("\t"));
  return all(
    found(user !== "0" && uids.size === 1 && uids.has(user), `user ${[...uids].join(", ")}`),
    found(
      sets.every((set) => set === wanted),
      `capabilities ${sets.map((set) => set.toString(16)).join(", ")}`,
    ),
    found(field("NoNewPrivs") === "1", `NoNewPrivs ${field("NoNewPrivs")}`),
    found(field("Seccomp") === "2", `Seccomp ${field("Seccomp")} with ${field("Seccomp_filters")} filters`),
  );
}

/** Tried by root in the unit's view of the file system: what root cannot write there, the service cannot. */
async function files({ machine }: BootPlace, unit: string): Promise<Found> {
  const pid = await property(machine, unit, "MainPID");
  const state = unit === "atlanticd.service" ? "/var/lib/atlantic" : "/var/lib/atlantic-fw";
  const places = [
    "/",
    "/usr/lib",
    "/etc",
    "/var/lib",
    "/root",
    "/home",
    "/proc/sys/kernel",
    "/sys/fs/cgroup",
  ];
  const canWrite = async (folder: string, ...inside: readonly string[]) => {
    const { code } = await machine.run(
      ...inside,
      "sh",
      "-c",
      `touch ${folder}/lab-file && rm ${folder}/lab-file`,
    );
    return code === 0;
  };
  const inUnit = ["nsenter", `--target=${pid}`, "--mount"];
  const writable: string[] = [];
  for (const folder of places) if (await canWrite(folder, ...inUnit)) writable.push(folder);
  return all(
    found(
      writable.length === 0,
      writable.length === 0 ? "nothing of the system" : `writable: ${writable.join(", ")}`,
    ),
    found(await canWrite(state, ...inUnit), `${state} is its own`),
    found(await canWrite("/usr/lib"), "the control, outside of it, can write"),
  );
}

/** The daemon's own control group decides what it may open: what is put into that group is refused the same. */
async function devices({ machine }: BootPlace): Promise<Found> {
  const holder = await property(machine, "atlantic-fw.service", "MainPID");
  const tun = await machine.run("nsenter", `--target=${holder}`, "--mount", "test", "-e", "/dev/net/tun");
  const group = await property(machine, "atlanticd.service", "ControlGroup");
  // Character device 1:11 is the kernel's log.
  await machine.must("sh", "-c", "test -e /dev/lab || mknod /dev/lab c 1 11");
  const opens = async (device: string, inGroup: string) => {
    const join = inGroup === "" ? "" : `echo $$ > /sys/fs/cgroup${inGroup}/cgroup.procs && `;
    return (await machine.run("sh", "-c", `${join}exec 3<${device}`)).code === 0;
  };
  return all(
    found(tun.code !== 0, "the holder has no /dev/net/tun"),
    found(await opens("/dev/net/tun", group), "the daemon's group may open /dev/net/tun"),
    found(!(await opens("/dev/lab", group)), "and no kernel log"),
    found(await opens("/dev/lab", ""), "which the control, outside of it, opens"),
  );
}
