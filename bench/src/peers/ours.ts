import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serverReady } from "@atlantic/lab/src/server-ready.ts";
import type { ServerReady } from "../../../scripts/messages.ts";
import { pinned } from "../measure/pinned.ts";
import type { Peer, PeerOptions } from "./peer.ts";
import { endProcess } from "./pinned-process.ts";

const entry = join(import.meta.dirname, "../../../server/src/main.ts");

/** Our server as it is: web, API, gateway and worker in one process, on PGlite, with credentials and metering on. */
export interface OurServer {
  readonly pid: number;
  readonly ready: ServerReady;
  close(): Promise<void>;
}

/** Starts our server on one core, with `data` as its data directory. */
export async function startOurServer(core: number, data: string): Promise<OurServer> {
  const child = spawn(...pinned(core, [process.execPath, "--disable-warning=ExperimentalWarning", entry]), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: { ...process.env, ...ourEnvironment(data) },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error("Our server could not be started.");
  try {
    return { pid, ready: await serverReady(child), close: () => endProcess(child) };
  } catch (error) {
    await endProcess(child);
    throw error;
  }
}

/** Our gateway, for comparison with other proxies. */
export async function startOurs({ core, originPort, folder }: PeerOptions): Promise<Peer> {
  const data = join(folder, "data");
  mkdirSync(join(data, "server"), { recursive: true, mode: 0o700 });
  // The origin is on this machine: it must be allowed by name, as every target that is not public.
  const upstreams = {
    upstreams: [{ kind: "local", name: "local" }],
    allowTargets: [`127.0.0.1:${originPort}`],
  };
  writeFileSync(join(data, "server/upstreams.json"), JSON.stringify(upstreams), { mode: 0o600 });
  const { pid, ready, close } = await startOurServer(core, data);
  if (ready.credential === null) throw new Error("Our server made no first account.");
  const { username, password } = ready.credential;
  // A session holds the exit's address, as it does for a browser: requests may then share connections to the site.
  const credential = { username: `${username}-cc-us-sid-bench`, password };
  const address = { port: ready.gatewayPort, name: `127.0.0.1:${originPort}`, credential };
  return {
    name: "ours",
    note: "Basic credentials, exit by user name, every byte metered on PGlite",
    pid,
    ways: {
      forward: { kind: "forward", ...address },
      tunnel: { kind: "connect", ...address },
      socks5: { kind: "socks5", ...address },
    },
    close,
  };
}

/** The settings of a server under measurement: any free ports, and more traffic than a bench can use. */
export function ourEnvironment(data: string): Record<string, string> {
  return {
    ATLANTIC_DATA: data,
    ATLANTIC_WEB_PORT: "0",
    ATLANTIC_GATEWAY_PORT: "0",
    ATLANTIC_FIRST_ACCOUNT: "1",
    ATLANTIC_SIGN_UP_BYTES: "1000000000000000",
    DATABASE_URL: "",
    REDIS_URL: "",
  };
}
