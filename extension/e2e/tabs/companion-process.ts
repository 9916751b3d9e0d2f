import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CompanionConfig } from "@atlantic/companion/src/config.ts";
import { ControlClient } from "@atlantic/companion/src/control/control-client.ts";
import { registerHost } from "@atlantic/companion/src/native-messaging/register.ts";
import { z } from "zod";
import { EXTENSION_ID, FIREFOX_EXTENSION_ID } from "../../id.ts";

const readySchema = z.object({ kind: z.literal("ready"), proxyPort: z.int(), controlSocket: z.string() });

const program = new URL("../../../companion/src/main.ts", import.meta.url).pathname;

/** The real companion in a process of its own, on a data directory of its own. */
export class CompanionProcess {
  readonly #dataDir: string;
  #child: ChildProcess;
  #control: ControlClient;
  readonly proxyPort: number;
  readonly #socket: string;

  private constructor(
    dataDir: string,
    child: ChildProcess,
    control: ControlClient,
    proxyPort: number,
    socket: string,
  ) {
    this.#dataDir = dataDir;
    this.#child = child;
    this.#control = control;
    this.proxyPort = proxyPort;
    this.#socket = socket;
  }

  static async start(dataDir: string, config: Partial<CompanionConfig>): Promise<CompanionProcess> {
    const directory = join(dataDir, "companion");
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, "config.json");
    await writeFile(path, JSON.stringify({ proxyPort: 0, ...config }), { mode: 0o600 });
    const { child, ready } = await spawnCompanion(dataDir);
    // It comes back on the same port after a restart, as it does outside of tests.
    await writeFile(path, JSON.stringify({ ...config, proxyPort: ready.proxyPort }), { mode: 0o600 });
    const control = await ControlClient.open(ready.controlSocket, "tests", "0");
    return new CompanionProcess(dataDir, child, control, ready.proxyPort, ready.controlSocket);
  }

  get control(): ControlClient {
    return this.#control;
  }

  /** Lets a browser of this profile find the companion, paired without a hand. */
  async introduce(userDataDir: string, family: "chromium" | "firefox" = "chromium"): Promise<void> {
    const { ticket } = await this.#control.request("pair.ticket", {});
    const extensionId = family === "firefox" ? FIREFOX_EXTENSION_ID : EXTENSION_ID;
    await registerHost({ dataDir: this.#dataDir, userDataDir, extensionId, family, ticket });
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  async startAgain(): Promise<void> {
    const { child } = await spawnCompanion(this.#dataDir);
    this.#child = child;
    this.#control = await ControlClient.open(this.#socket, "tests", "0");
  }

  async close(): Promise<void> {
    this.#control.close();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await gone;
  }
}

async function spawnCompanion(
  dataDir: string,
): Promise<{ child: ChildProcess; ready: z.infer<typeof readySchema> }> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program], {
    env: { ...process.env, ATLANTIC_DATA: dataDir, ATLANTIC_PROXY_PORT: "" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [message] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error("The companion ended before it was ready."))),
  ]);
  return { child, ready: readySchema.parse(message) };
}
