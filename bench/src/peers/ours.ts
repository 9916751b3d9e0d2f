import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serverReady } from "@atlantic/lab/src/server-ready.ts";
import { startTemporaryPostgres } from "@atlantic/server/src/db/testing/temporary-postgres.ts";
import { SERVER_NODE_FLAGS } from "@atlantic/server/src/node-flags.ts";
import { z } from "zod";
import type { ServerReady } from "../../../scripts/messages.ts";
import type { Credential } from "../load/load.ts";
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

/** Starts our server on one core or on any (null), with `data` as its data directory; on PGlite where no database is named. */
export async function startOurServer(
  core: number | null,
  data: string,
  databaseUrl = "",
  processes = 1,
): Promise<OurServer> {
  const flags = ["--disable-warning=ExperimentalWarning", ...SERVER_NODE_FLAGS];
  const child = spawn(...pinned(core, [process.execPath, ...flags, entry]), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: { ...process.env, ...ourEnvironment(data, databaseUrl, processes) },
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

/** Our gateway on PGlite, which does its work in the gateway's own process and so on the gateway's core. */
export function startOursOnPglite(options: PeerOptions): Promise<Peer> {
  return startOurs("ours on PGlite", options, "");
}

/** Our gateway on Postgres, which works in processes of its own on any core. */
export async function startOursOnPostgres(options: PeerOptions & { processes?: number }): Promise<Peer> {
  const postgres = await startTemporaryPostgres();
  try {
    const ours = await startOurs("ours on Postgres", options, await postgres.createDatabase());
    const close = async () => {
      await ours.close();
      await postgres.stop();
    };
    return { ...ours, close };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

async function startOurs(
  name: string,
  { core, originPort, folder, processes = 1 }: PeerOptions & { processes?: number },
  databaseUrl: string,
): Promise<Peer> {
  const data = join(folder, "data");
  mkdirSync(join(data, "server"), { recursive: true, mode: 0o700 });
  // The origin is on this machine: it must be allowed by name, as every target that is not public.
  const upstreams = {
    upstreams: [{ kind: "local", name: "local" }],
    allowTargets: [`127.0.0.1:${originPort}`],
  };
  writeFileSync(join(data, "server/upstreams.json"), JSON.stringify(upstreams), { mode: 0o600 });
  const { pid, ready, close } = await startOurServer(core, data, databaseUrl, processes);
  const { username, password } = await newCustomer(new URL(ready.webUrl));
  // A session holds the exit's address, as it does for a browser: requests may then share connections to the site.
  const credential = { username: `${username}-cc-us-sid-bench`, password };
  const address = { port: ready.gatewayPort, name: `127.0.0.1:${originPort}`, credential };
  const note = "credentials, exit by user name, every byte metered";
  return {
    name,
    pid,
    ways: {
      forward: { way: { kind: "forward", ...address }, note },
      tunnel: { way: { kind: "connect", ...address }, note },
      socks5: { way: { kind: "socks5", ...address }, note },
    },
    close,
  };
}

const issuedSchema = z.object({
  result: z.object({
    data: z.object({ credential: z.object({ username: z.string() }), password: z.string() }),
  }),
});

/** Signs up, for the first account's allowance is less than a bench uses. @returns a gateway credential */
async function newCustomer(web: URL): Promise<Credential> {
  const post = async (path: string, body: unknown, cookie = "") => {
    const headers = { "content-type": "application/json", origin: web.origin, cookie };
    const answer = await fetch(new URL(path, web), { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${await answer.text()}`);
    return answer;
  };
  const person = { name: "Bench", email: "bench@atlantic.local", password: randomBytes(16).toString("hex") };
  const cookies = (await post("/api/auth/sign-up/email", person)).headers.getSetCookie();
  const cookie = cookies.map((each) => each.split(";")[0]).join("; ");
  const issued = await post("/api/trpc/credentials.create", { label: "Bench" }, cookie);
  const { credential, password } = issuedSchema.parse(await issued.json()).result.data;
  return { username: credential.username, password };
}

/** The settings of a server under measurement: any free ports, and more traffic than a bench can use. */
function ourEnvironment(data: string, databaseUrl: string, processes: number): Record<string, string> {
  return {
    ATLANTIC_GATEWAY_PROCESSES: String(processes),
    ATLANTIC_DRAIN_SECONDS: "0",
    ATLANTIC_DATA: data,
    ATLANTIC_WEB_PORT: "0",
    ATLANTIC_GATEWAY_PORT: "0",
    ATLANTIC_FIRST_ACCOUNT: "1",
    ATLANTIC_SIGN_UP_BYTES: "1000000000000000",
    DATABASE_URL: databaseUrl,
    REDIS_URL: "",
  };
}
