import { readConfig } from "./config.ts";
import { type RunningServer, startServer } from "./server.ts";
import { startSentence } from "./start-error.ts";

/** Tells the process that started this one; on a terminal, the person. */
function tell(message: Readonly<Record<string, unknown>>): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) return resolve();
    process.send(message, () => resolve());
  });
}

function endWith(server: RunningServer): void {
  let ending = false;
  const end = () => {
    if (ending) return;
    ending = true;
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${startSentence(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  process.on("disconnect", end);
}

try {
  const server = await startServer(readConfig(process.env));
  endWith(server);
  await tell({
    kind: "ready",
    webUrl: server.webUrl,
    gatewayHost: server.gateway.host,
    gatewayPort: server.gateway.port,
    signInUrl: server.signInUrl,
    credential: server.credential,
    demonstration: server.demonstration,
  });
} catch (error) {
  const sentence = startSentence(error);
  if (process.send === undefined) process.stderr.write(`${sentence}\n`);
  await tell({ kind: "failed", sentence });
  process.exit(1);
}
