import { createHash } from "node:crypto";
import { tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the companion keeps its things, all inside one data directory. */
export interface CompanionPaths {
  /** 0700. */
  readonly directory: string;
  readonly config: string;
  readonly state: string;
  /** What stood in the desktop's proxy settings, while they lead to the companion. */
  readonly systemProxy: string;
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
    directory,
    config: join(directory, "config.json"),
    state: join(directory, "state.json"),
    systemProxy: join(directory, "system-proxy.json"),
    socketDirectory,
    controlSocket: join(socketDirectory, "control.sock"),
  };
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
}

function temporaryDirectory(dataDir: string): string {
  const digest = createHash("sha256").update(dataDir).digest("hex").slice(0, 12);
  return join(tmpdir(), `atlantic-${userInfo().uid}-${digest}`);
}
