import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { COMPANION_NODE_FLAGS } from "@atlantic/companion/src/node-flags.ts";
import { writeCompanionConfig } from "../../../scripts/companion-config.ts";
import { companionMessageSchema, type ServerReady } from "../../../scripts/messages.ts";
import { endProcess } from "./pinned-process.ts";

const entry = join(import.meta.dirname, "../../../companion/src/main.ts");

/** Starts the companion as `npm start` does, with this server as its gateway. */
export async function startCompanion(
  data: string,
  server: ServerReady,
): Promise<{ readonly pid: number; close(): Promise<void> }> {
  const { port: webPort } = new URL(server.webUrl);
  const settings = { data, webPort: Number(webPort), gatewayPort: server.gatewayPort, proxyPort: 0 };
  await writeCompanionConfig(settings, server);
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", ...COMPANION_NODE_FLAGS, entry],
    {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, ATLANTIC_DATA: data, ATLANTIC_PROXY_PORT: "0" },
    },
  );
  const ended = once(child, "exit").then(() => {
    throw new Error("The companion ended before it was ready.");
  });
  const [message] = await Promise.race([once(child, "message"), ended]);
  const ready = companionMessageSchema.parse(message);
  if (ready.kind === "failed") throw new Error(ready.sentence);
  if (child.pid === undefined) throw new Error("The companion could not be started.");
  return { pid: child.pid, close: () => endProcess(child) };
}
