import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { buildIfStale, webPage } from "../../../scripts/build.ts";

const readySchema = z.object({
  kind: z.literal("ready"),
  webUrl: z.url(),
  gatewayHost: z.string(),
  gatewayPort: z.int(),
  signInUrl: z.url().nullable(),
  credential: z.object({ username: z.string(), password: z.string() }).nullable(),
  demonstration: z.object({ echoHost: z.string(), echoAddress: z.string() }).nullable(),
});

/** The real server in a process of its own, with fresh data and ports of its own. */
export interface RunningServer extends z.infer<typeof readySchema> {
  /** Kills it without a word, as a power cut would. */
  readonly kill: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Builds the web page when that is needed and starts the server. @throws Error with the server's own sentence. */
export async function startServer(
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  await buildIfStale(webPage);
  const data = await mkdtemp(join(tmpdir(), "atlantic-web-"));
  const child = fork(join(import.meta.dirname, "../../src/main.ts"), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: {
      ...process.env,
      ATLANTIC_DATA: data,
      ATLANTIC_WEB_PORT: "0",
      ATLANTIC_GATEWAY_PORT: "0",
      ATLANTIC_FIRST_ACCOUNT: "1",
      ATLANTIC_DRAIN_SECONDS: "0",
      DATABASE_URL: "",
      REDIS_URL: "",
      ...environment,
    },
  });
  const [message] = await once(child, "message");
  const ready = readySchema.safeParse(message);
  if (!ready.success) throw new Error(`the server did not start: ${JSON.stringify(message)}`);
  return {
    ...ready.data,
    kill: () => end(child, "SIGKILL"),
    async close() {
      await end(child, "SIGTERM");
      await rm(data, { recursive: true });
    },
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}
