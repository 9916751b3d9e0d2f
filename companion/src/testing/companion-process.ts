import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { portOf } from "../port-of.ts";

const command = join(import.meta.dirname, "../../bin/atlantic.mjs");
const readySchema = z.object({ kind: z.literal("ready"), proxyPort: z.int(), controlSocket: z.string() });

export interface CommandEnd {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CompanionProcess {
  readonly data: string;
  start(): Promise<z.infer<typeof readySchema>>;
  /** Ends it as Ctrl-C does, or with SIGKILL, and waits until it is gone. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Runs the `atlantic` command of this data directory. */
  atlantic(...words: string[]): Promise<CommandEnd>;
  close(): Promise<void>;
}

/** A companion as a process of its own, to be killed, whose server offers the exits us and de and nothing else. */
export async function prepareCompanionProcess(
  exitPort: number,
  environment: Readonly<Record<string, string>>,
): Promise<CompanionProcess> {
  const data = mkdtempSync(join(tmpdir(), "atl-process-"));
  const env = { ...process.env, ...environment, ATLANTIC_DATA: data };
  const api = await startExitsApi();
  writeConfig(data, exitPort, api.port);
  let child: ChildProcess | null = null;

  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  return {
    data,
    async start() {
      child = fork(join(import.meta.dirname, "../main.ts"), {
        env,
        execArgv: [],
        stdio: ["ignore", "ignore", "inherit", "ipc"],
      });
      return readySchema.parse((await once(child, "message"))[0]);
    },
    end,
    atlantic: (...words) =>
      new Promise((resolve) => {
        execFile(process.execPath, [command, ...words], { env }, (error, out, err) => {
          resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err });
        });
      }),
    async close() {
      await end("SIGKILL");
      api.close();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

function writeConfig(data: string, exitPort: number, apiPort: number): void {
  mkdirSync(join(data, "companion"), { mode: 0o700 });
  const upstream = {
    kind: "gateway",
    host: "127.0.0.1",
    port: exitPort,
    username: "atl_k3x9m2qp",
    password: "secret",
    apiUrl: `http://127.0.0.1:${apiPort}`,
  };
  const config = { upstream, proxyPort: 0, addressCheckUrl: "http://address.test/" };
  writeFileSync(join(data, "companion", "config.json"), JSON.stringify(config), { mode: 0o600 });
}

async function startExitsApi(): Promise<{ port: number; close(): void }> {
  const exits = ["us", "de"].map((country) => ({
    id: country,
    exit: { country },
    label: country,
    network: "residential",
    demonstration: false,
    latencyMs: null,
  }));
  const server = createServer((request, response) => {
    const isExits = request.url === "/api/v1/exits";
    response.writeHead(isExits ? 200 : 404, { "content-type": "application/json" });
    response.end(isExits ? JSON.stringify({ exits }) : "{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: portOf(server),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
