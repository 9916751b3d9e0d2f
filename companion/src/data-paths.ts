import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the companion keeps its things: inside one data directory, or where a system service has them. */
export interface CompanionPaths {
  /** It runs as a service of the system, for every user who may reach its socket. */
  readonly isService: boolean;
  /** 0700. */
  readonly directory: string;
  readonly config: string;
  readonly state: string;
  /** What stood in the desktop's proxy settings, while they lead to the companion. */
  readonly systemProxy: string;
  /** What is filtered: lists, the person's words, the region's policy. 0700. */
  readonly names: string;
  /** What the protection of the whole machine keeps: what is wanted, evidence, where upstreams are. */
  readonly protection: string;
  /** Where the holder of the firewall's rules listens, and where it keeps them. */
  readonly firewallSocket: string;
  readonly firewallState: string;
  /** 0700; the companion's directory, or one in the system's temporary directory where that path is too long. */
  readonly socketDirectory: string;
  readonly controlSocket: string;
}

/** Longest path of a Unix socket that every system takes: sockaddr_un holds 104 to 108 bytes. */
const MAX_SOCKET_PATH_BYTES = 100;

/** `ATLANTIC_DATA`, or `data` in the repository. */
export function dataDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const asked = environment.ATLANTIC_DATA;
  return asked ? resolve(asked) : fileURLToPath(new URL("../../data", import.meta.url));
}

export function companionPaths(dataDir: string): CompanionPaths {
  const directory = join(dataDir, "companion");
  const socketDirectory = fits(join(directory, "control.sock")) ? directory : temporaryDirectory(dataDir);
  return {
    isService: false,
    directory,
    config: join(directory, "config.json"),
    state: join(directory, "state.json"),
    systemProxy: join(directory, "system-proxy.json"),
    names: join(directory, "names"),
    protection: join(directory, "protection"),
    firewallSocket: join(socketDirectory, "firewall.sock"),
    firewallState: join(directory, "protection", "rules"),
    socketDirectory,
    controlSocket: join(socketDirectory, "control.sock"),
  };
}

/** Of the service `atlanticd`; systemd makes the directories. */
export const servicePaths: CompanionPaths = {
  isService: true,
  directory: "/var/lib/atlantic",
  config: "/etc/atlantic/config.json",
  state: "/var/lib/atlantic/state.json",
  systemProxy: "/var/lib/atlantic/system-proxy.json",
  names: "/var/lib/atlantic/names",
  protection: "/var/lib/atlantic",
  firewallSocket: "/run/atlantic-fw/firewall.sock",
  firewallState: "/var/lib/atlantic-fw/rules",
  socketDirectory: "/run/atlantic",
  controlSocket: "/run/atlantic/control.sock",
};

/** Of the companion that this process is: the service where the unit says so, else the user's. */
export function ownPaths(environment: NodeJS.ProcessEnv = process.env): CompanionPaths {
  return environment.ATLANTIC_SERVICE === "1" ? servicePaths : companionPaths(dataDirectory(environment));
}

/** Of the companion to speak to: the service where one runs and no data directory is asked for, else the user's. */
export function pathsToSpeakTo(environment: NodeJS.ProcessEnv = process.env): CompanionPaths {
  const asked = environment.ATLANTIC_DATA;
  return !asked && existsSync(servicePaths.controlSocket)
    ? servicePaths
    : companionPaths(dataDirectory(environment));
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
}

function temporaryDirectory(dataDir: string): string {
  const digest = createHash("sha256").update(dataDir).digest("hex").slice(0, 12);
  return join(tmpdir(), `atlantic-${userInfo().uid}-${digest}`);
}
