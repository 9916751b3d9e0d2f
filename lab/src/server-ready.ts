import type { ChildProcess } from "node:child_process";
import { type ServerReady, serverMessageSchema } from "../../scripts/messages.ts";

/** Waits until a server that was started with an IPC channel says that it is ready. Throws what it says when it is not. */
export function serverReady(child: ChildProcess, timeoutMs = 60_000): Promise<ServerReady> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`The server was not ready after ${timeoutMs} ms.`)),
      timeoutMs,
    );
    child.once("exit", (code) => reject(new Error(`The server ended before it was ready (${code}).`)));
    child.on("message", (message) => {
      const parsed = serverMessageSchema.safeParse(message).data;
      if (parsed === undefined) return;
      clearTimeout(timer);
      if (parsed.kind === "ready") resolve(parsed);
      else reject(new Error(parsed.sentence));
    });
  });
}
