import { join } from "node:path";
import { freePort, type PinnedProcess, startPinned } from "./pinned-process.ts";

/** A bare Koa server that answers everything with the same JSON and asks nobody who they are. */
export async function startKoa(
  core: number,
  answer: string,
): Promise<PinnedProcess & { readonly port: number }> {
  const port = await freePort();
  const program = join(import.meta.dirname, "koa-program.ts");
  const started = await startPinned(core, [process.execPath, program, String(port)], port, {
    PEER_ANSWER: answer,
  });
  return { ...started, port };
}
