import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { newCredential } from "./credential.ts";
import type { Peer, PeerOptions } from "./peer.ts";
import { freePort, startPinned } from "./pinned-process.ts";

/** The beginning of its configuration: one thread, and patience. */
export const haproxyDefaults: readonly string[] = [
  "global",
  "  nbthread 1",
  "  maxconn 4096",
  "defaults",
  "  timeout connect 10s",
  "  timeout client 60s",
  "  timeout server 60s",
];

/**
 * haproxy with one thread. It is no open forward proxy: it leads to the one origin. Requests are checked for
 * credentials as a proxy would; it has no CONNECT of its own, so its tunnel is a bare TCP relay.
 */
export function startHaproxy(options: PeerOptions): Promise<Peer> {
  return start("haproxy", options, []);
}

/** The same with splicing switched on for the relay, which it is not as Debian ships it: only that way differs. */
export async function startSplicingHaproxy(options: PeerOptions): Promise<Peer> {
  const haproxy = await start("haproxy, splicing", options, ["  option splice-auto"]);
  const { tunnel } = haproxy.ways;
  return { ...haproxy, ways: tunnel ? { tunnel } : {} };
}

async function start(
  name: string,
  { core, originPort, folder }: PeerOptions,
  relayOptions: readonly string[],
): Promise<Peer> {
  const httpPort = await freePort();
  const tcpPort = await freePort();
  const credential = newCredential();
  const configuration = join(folder, "haproxy.cfg");
  writeFileSync(
    configuration,
    [
      ...haproxyDefaults,
      "userlist known",
      `  user ${credential.username} insecure-password ${credential.password}`,
      "listen requests",
      "  mode http",
      `  bind 127.0.0.1:${httpPort}`,
      "  option http-use-proxy-header",
      "  http-request auth unless { http_auth(known) }",
      "  http-request del-header Proxy-Authorization",
      "  http-reuse always",
      `  server origin 127.0.0.1:${originPort}`,
      "listen relay",
      "  mode tcp",
      ...relayOptions,
      `  bind 127.0.0.1:${tcpPort}`,
      `  server origin 127.0.0.1:${originPort}`,
      "",
    ].join("\n"),
  );
  const { pid, close } = await startPinned(core, ["haproxy", "-db", "-q", "-f", configuration], tcpPort);
  return {
    name,
    pid,
    ways: {
      forward: {
        way: { kind: "forward", port: httpPort, name: `127.0.0.1:${originPort}`, credential },
        note: "credentials, one fixed origin",
      },
      tunnel: {
        way: { kind: "relay", port: tcpPort },
        note: "bare TCP relay, neither CONNECT nor credentials",
      },
    },
    close,
  };
}
