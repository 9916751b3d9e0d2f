import { join } from "node:path";
import type { Peer, PeerOptions } from "./peer.ts";
import { freePort, startPinned } from "./pinned-process.ts";

/** Node's own pipe on this same Node: what a relay costs that adds nothing to it. */
export async function startNodePipe({ core, originPort }: PeerOptions): Promise<Peer> {
  const port = await freePort();
  const program = join(import.meta.dirname, "node-pipe-program.ts");
  const { pid, close } = await startPinned(core, [process.execPath, program, String(port)], port);
  const way = { kind: "connect", port, name: `127.0.0.1:${originPort}`, credential: null } as const;
  return {
    name: "node pipe",
    pid,
    ways: { tunnel: { way, note: "no credentials, nothing metered" } },
    close,
  };
}
