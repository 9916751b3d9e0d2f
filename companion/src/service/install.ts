import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ClearError } from "../clear-error.ts";
import { readConfig } from "../config.ts";
import { companionPaths, dataDirectory, servicePaths } from "../data-paths.ts";
import { layOut } from "./lay-out.ts";
import { CHECKOUT } from "./product-files.ts";
import { PRODUCT, serviceFiles, units } from "./service-files.ts";

export interface InstallOptions {
  /** Where the system's root is; another than `/` is only laid out, and nothing of it is started. */
  readonly root: string;
  readonly say: (line: string) => void;
}

/**
 * Installs the service from this checkout, or replaces it by this checkout's version. Rules that stand stay.
 * @throws ClearError when this user may not, or something has not been built
 */
export function install({ root, say }: InstallOptions): void {
  mustBeCheckout();
  if (process.getuid?.() !== 0) throw new ClearError("Installing takes root: sudo npx atlantic install.");
  layOut(root);
  say(`The product is in ${join(root, PRODUCT)}.`);
  if (root === "/") run("systemd-sysusers", "/usr/lib/sysusers.d/atlantic.conf");
  say(seedConfig(root));
  if (root !== "/" || !existsSync("/run/systemd/system")) {
    say("systemd does not run here: the units are in place and were not started.");
    return;
  }
  run("systemctl", "daemon-reload");
  run("systemctl", "enable", "--quiet", ...units);
  run("systemctl", "restart", "atlantic-fw.service", "atlanticd.service");
  say("The service runs. See: sudo atlantic status");
}

/**
 * Takes the service away. The configuration and what it keeps stay.
 * @throws ClearError while the machine is connected or locked: it would be opened
 */
export function uninstall({ root, say }: InstallOptions): void {
  mustBeCheckout();
  if (process.getuid?.() !== 0) throw new ClearError("Removing takes root: sudo atlantic uninstall.");
  if (existsSync(join(root, "/var/lib/atlantic/blocked-at-boot"))) {
    throw new ClearError(
      "This machine is connected or locked. First: sudo atlantic disconnect, sudo atlantic lockdown off.",
    );
  }
  if (root === "/" && existsSync("/run/systemd/system")) {
    run("systemctl", "disable", "--quiet", "--now", ...[...units].reverse());
    rmSync("/run/atlantic-fw", { recursive: true, force: true });
  }
  for (const { path } of serviceFiles("")) rmSync(join(root, path), { force: true });
  rmSync(join(root, PRODUCT), { recursive: true, force: true });
  if (root === "/" && existsSync("/run/systemd/system")) run("systemctl", "daemon-reload");
  say("The service is gone. What it kept is in /etc/atlantic and /var/lib/atlantic.");
}

function mustBeCheckout(): void {
  if (resolve(CHECKOUT) === PRODUCT) {
    throw new ClearError(
      "This is the installed service itself: use apt, or atlantic of the checkout it came from.",
    );
  }
}

/** The user's own companion knows a way to the exits already. @returns what was done, for people */
function seedConfig(root: string): string {
  const path = join(root, servicePaths.config);
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  if (existsSync(path)) return `The configuration stays as it is: ${path}.`;
  const own = companionPaths(dataDirectory()).config;
  if (!existsSync(own)) {
    return `Say which upstreams there are in ${path}: docs/companion.md shows how. The daemon waits for it.`;
  }
  const { upstream, addressCheckUrl } = readConfig(own, {});
  const { host, port, username, password } = upstream;
  const kind = upstream.kind === "gateway" ? "gateway" : upstream.provider;
  const protection = { upstreams: [{ name: kind, kind, host, port, username, password }] };
  writeFileSync(path, `${JSON.stringify({ upstream, addressCheckUrl, protection }, null, 2)}\n`, {
    mode: 0o640,
  });
  if (root === "/") lendToService(path);
  return `The way to the exits was taken over from ${own} into ${path}.`;
}

/** The service may read it, and only root may change it. */
function lendToService(path: string): void {
  const group = /^atlantic:[^:]*:(\d+):/m.exec(readFileSync("/etc/group", "utf8"))?.[1];
  if (group === undefined)
    throw new ClearError("The group atlantic could not be made: see systemd-sysusers(8).");
  for (const each of [dirname(path), path]) {
    chownSync(each, 0, Number(group));
    chmodSync(each, statSync(each).isDirectory() ? 0o750 : 0o640);
  }
}

function run(program: string, ...argv: string[]): void {
  try {
    execFileSync(program, argv, { stdio: ["ignore", "inherit", "inherit"] });
  } catch (cause) {
    throw new ClearError(`${program} ${argv.join(" ")} failed; the service is not ready.`, { cause });
  }
}
