import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Peer, PeerOptions } from "./peer.ts";
import { freePort, startPinned } from "./pinned-process.ts";

/** dante: SOCKS5 without credentials, because the only ones that it knows are the system's users. */
export async function startDante({ core, originPort, folder }: PeerOptions): Promise<Peer> {
  const port = await freePort();
  const configuration = join(folder, "danted.conf");
  writeFileSync(configuration, danteConfiguration(port, "127.0.0.1"));
  const { pid, close } = await startPinned(core, ["danted", "-f", configuration], port);
  return {
    name: "dante",
    pid,
    ways: {
      socks5: {
        way: { kind: "socks5", port, name: `127.0.0.1:${originPort}`, credential: null },
        note: "no credentials",
      },
    },
    close,
  };
}

/** @param external the link, or the address, by which it leaves */
export function danteConfiguration(port: number, external: string): string {
  return [
    "logoutput: stderr",
    `internal: 127.0.0.1 port = ${port}`,
    `external: ${external}`,
    "socksmethod: none",
    "clientmethod: none",
    "user.unprivileged: nobody",
    "client pass {\n from: 0.0.0.0/0 to: 0.0.0.0/0\n log: error\n}",
    "socks pass {\n from: 0.0.0.0/0 to: 0.0.0.0/0\n protocol: tcp\n log: error\n}",
    "",
  ].join("\n");
}
