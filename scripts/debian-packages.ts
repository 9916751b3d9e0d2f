import { type ExecFileException, execFile } from "node:child_process";
import { access, constants, readdir, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** A Debian package whose program the tests drive. */
export interface DrivenPackage {
  readonly name: string;
  /** Its program: a name to be found on the PATH; or a path, in which one folder may be `*`, of any file of it. */
  readonly program: string;
  /** What stays untested without it, to follow a colon. */
  readonly untested: string;
}

const lab = "the lab cannot run, so nothing that needs distinct addresses was tested";

const desktop = "no desktop's proxy settings were changed and put back";

export const drivenPackages: readonly DrivenPackage[] = [
  { name: "chromium", program: "chromium", untested: "extension and web page were tested in no browser" },
  { name: "firefox-esr", program: "firefox-esr", untested: "the extension was not tested in Firefox" },
  {
    name: "postgresql",
    program: "/usr/lib/postgresql/*/bin/postgres",
    untested: "the database was tested on PGlite alone, where races cannot show",
  },
  {
    name: "redis-server",
    program: "redis-server",
    untested: "cache and limits were tested in process alone",
  },
  { name: "python3", program: "python3", untested: "no client but ours and curl was tried" },
  { name: "curl", program: "curl", untested: "the gateway was not tried with curl" },
  { name: "openssl", program: "openssl", untested: "no TLS site could be made" },
  { name: "iproute2", program: "ip", untested: lab },
  { name: "nftables", program: "nft", untested: "no firewall rule was loaded" },
  { name: "gcc", program: "cc", untested: lab },
  { name: "tcpdump", program: "tcpdump", untested: lab },
  { name: "squid", program: "squid", untested: lab },
  { name: "dante-server", program: "danted", untested: lab },
  { name: "ngtcp2-server", program: "gtlsserver", untested: "no browser fell back from HTTP/3" },
  { name: "libglib2.0-bin", program: "gsettings", untested: desktop },
  {
    name: "gsettings-desktop-schemas",
    program: "/usr/share/glib-2.0/schemas/org.gnome.system.proxy.gschema.xml",
    untested: desktop,
  },
  { name: "dconf-cli", program: "dconf", untested: desktop },
  { name: "dbus-daemon", program: "dbus-run-session", untested: desktop },
  { name: "dbus-bin", program: "dbus-send", untested: desktop },
  { name: "libkf5config-bin", program: "kwriteconfig5", untested: desktop },
  { name: "haproxy", program: "haproxy", untested: "the gateway was not measured against haproxy" },
];

export interface PackageReport {
  /** Names of the packages whose programs are here. */
  readonly present: readonly string[];
  readonly missing: readonly { readonly name: string; readonly why: string }[];
}

/**
 * Installs what the tests drive and this machine lacks, where that can be done (Debian, as root), and reports what
 * is missing afterwards and what that leaves untested. Never throws: a machine without them runs the other tests.
 */
export async function ensurePackages(wanted = drivenPackages): Promise<PackageReport> {
  const before = await missingOf(wanted);
  if (before.length === 0) return { present: names(wanted), missing: [] };
  const obstacle = await whyNotInstall();
  const problem = obstacle ?? (await install(names(before)));
  const after = obstacle === undefined ? await missingOf(wanted) : before;
  return {
    present: names(wanted.filter((each) => !after.includes(each))),
    missing: after.map(({ name, untested }) => ({
      name,
      why: problem ? `${untested} (${problem})` : untested,
    })),
  };
}

function names(packages: readonly DrivenPackage[]): string[] {
  return packages.map(({ name }) => name);
}

async function missingOf(wanted: readonly DrivenPackage[]): Promise<DrivenPackage[]> {
  const found = await Promise.all(wanted.map(({ program }) => isThere(program)));
  return wanted.filter((_, index) => !found[index]);
}

async function isThere(program: string): Promise<boolean> {
  for (const file of await candidates(program)) {
    try {
      await access(file, program.startsWith("/") ? constants.F_OK : constants.X_OK);
      return true;
    } catch {
      // The next folder may have it.
    }
  }
  return false;
}

async function candidates(program: string): Promise<string[]> {
  if (!program.startsWith("/")) {
    // Daemons live where an ordinary PATH does not look.
    const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
    return folders.filter((folder) => folder !== "").map((folder) => join(folder, program));
  }
  const [above = "", below = ""] = program.split("/*/");
  if (below === "") return [program];
  try {
    return (await readdir(above)).map((folder) => join(above, folder, below));
  } catch {
    return [];
  }
}

async function whyNotInstall(): Promise<string | undefined> {
  if (process.platform !== "linux" || !(await isThere("apt-get")))
    return "packages are installed on Debian only";
  if (process.getuid?.() !== 0) return "only root can install it: apt-get install, or run the tests as root";
  return undefined;
}

/** @returns why it failed, or undefined when it did not. */
async function install(packages: readonly string[]): Promise<string | undefined> {
  process.stdout.write(`Installing what the tests drive: ${packages.join(", ")} …\n`);
  const release = await holdServices();
  try {
    await aptGet(["update"]);
    await aptGet(["install", "--yes", "--no-install-recommends", ...packages]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await release();
  }
}

const POLICY = "/usr/sbin/policy-rc.d";

/** Keeps Debian from starting the daemons that it installs: the tests start their own, on ports of their own. */
async function holdServices(): Promise<() => Promise<void>> {
  try {
    await writeFile(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755, flag: "wx" });
  } catch {
    // This machine has a policy of its own.
    return async () => {};
  }
  return () => rm(POLICY, { force: true });
}

function aptGet(argv: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return new Promise((resolve, reject) => {
    const done = (error: ExecFileException | null, _: string, stderr: string) => {
      if (error) reject(new Error(`apt-get ${argv[0]} failed: ${lastLine(stderr) ?? error.message}`));
      else resolve();
    };
    execFile("apt-get", ["-qq", ...argv], { env, maxBuffer: 1 << 26 }, done);
  });
}

function lastLine(text: string): string | undefined {
  return text.trim().split("\n").at(-1) || undefined;
}
