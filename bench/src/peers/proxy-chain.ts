import { join } from "node:path";
import { newCredential } from "./credential.ts";
import type { Peer, PeerOptions } from "./peer.ts";
import { freePort, startPinned } from "./pinned-process.ts";

const NOTE = "credentials, nothing metered";

/** proxy-chain on this same Node, with a check of the credential in JavaScript. */
export async function startProxyChain({ core, originPort }: PeerOptions): Promise<Peer> {
  const port = await freePort();
  const credential = newCredential();
  const program = join(import.meta.dirname, "proxy-chain-program.ts");
  const env = { PEER_USERNAME: credential.username, PEER_PASSWORD: credential.password };
  const { pid, close } = await startPinned(core, [process.execPath, program, String(port)], port, env);
  const name = `127.0.0.1:${originPort}`;
  return {
    name: "proxy-chain",
    pid,
    ways: {
      forward: { way: { kind: "forward", port, name, credential }, note: NOTE },
      tunnel: { way: { kind: "connect", port, name, credential }, note: NOTE },
    },
    close,
  };
}
