import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { newCredential } from "@atlantic/bench/src/peers/credential.ts";
import { startDante } from "@atlantic/bench/src/peers/dante.ts";
import type { Peer, PeerOptions } from "@atlantic/bench/src/peers/peer.ts";
import { freePort, startPinned } from "@atlantic/bench/src/peers/pinned-process.ts";
import { startProxyChain } from "@atlantic/bench/src/peers/proxy-chain.ts";
import { startSquid } from "@atlantic/bench/src/peers/squid.ts";
import type { Ability, Subject } from "../subject.ts";

/** Starts one of the proxies that people run today. @throws Error with a sentence when it is not on this machine */
export type StartPeer = () => Promise<Subject>;

export const peers: Readonly<Record<string, StartPeer>> = {
  squid: startSquidSubject,
  tinyproxy: startTinyproxy,
  haproxy: startHaproxy,
  "proxy-chain": startProxyChainSubject,
  dante: startDanteSubject,
};

/** The peers' programs run on this core; the cases are not measured, so any will do. */
const CORE = 0;

async function inFolder<T>(start: (folder: string) => Promise<T>): Promise<T & { remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), "atlantic-conformance-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    return { ...(await start(folder)), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

async function versionOf(program: string, ...argv: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, argv);
  return /\d+\.\d+[\d.]*/.exec(stdout + stderr)?.[0] ?? "of an unknown version";
}

async function benchPeer(
  start: (options: PeerOptions) => Promise<Peer>,
  abilities: readonly Ability[],
  about: string,
): Promise<Subject> {
  const peer = await inFolder((folder) => start({ core: CORE, originPort: 9, folder }));
  const way = (peer.ways.forward ?? peer.ways.socks5)?.way;
  if (way === undefined || !("credential" in way)) throw new Error(`${peer.name} has no way to be used.`);
  return {
    name: peer.name,
    host: "127.0.0.1",
    port: way.port,
    credential: way.credential,
    abilities: new Set(abilities),
    about,
    async close() {
      await peer.close();
      peer.remove();
    },
  };
}

async function startSquidSubject(): Promise<Subject> {
  const about = `squid ${await versionOf("squid", "-v")}, Basic credentials, no cache, Via as it is by default`;
  return benchPeer(
    (options) => startSquid(options, ["via on"]),
    ["http", "connect", "ipv6", "credentials"],
    about,
  );
}

async function startProxyChainSubject(): Promise<Subject> {
  const about = `proxy-chain 3 on Node ${process.versions.node}, Basic credentials`;
  return benchPeer(startProxyChain, ["http", "connect", "ipv6", "credentials"], about);
}

async function startDanteSubject(): Promise<Subject> {
  const about = `dante ${await versionOf("danted", "-v")}, SOCKS5 without credentials`;
  return benchPeer(startDante, ["socks5"], about);
}

interface Program {
  readonly name: string;
  readonly about: string;
  readonly abilities: readonly Ability[];
  configuration(port: number, credential: { username: string; password: string }): readonly string[];
  argv(configuration: string): [string, ...string[]];
}

async function startProgram({ name, about, abilities, configuration, argv }: Program): Promise<Subject> {
  const port = await freePort();
  const credential = newCredential();
  const { close, remove } = await inFolder((folder) => {
    const file = join(folder, `${name}.conf`);
    writeFileSync(file, `${configuration(port, credential).join("\n")}\n`);
    return startPinned(CORE, argv(file), port);
  });
  return {
    name,
    host: "127.0.0.1",
    port,
    credential,
    abilities: new Set(abilities),
    about,
    async close() {
      await close();
      remove();
    },
  };
}

async function startTinyproxy(): Promise<Subject> {
  const version = await versionOf("tinyproxy", "-v");
  return startProgram({
    name: "tinyproxy",
    about: `tinyproxy ${version}, Basic credentials, CONNECT to every port`,
    abilities: ["http", "connect", "ipv6", "credentials"],
    configuration: (port, { username, password }) => [
      `Port ${port}`,
      "Listen 127.0.0.1",
      "Timeout 600",
      "MaxClients 500",
      "LogLevel Critical",
      "Allow 127.0.0.1",
      "Allow 127.0.0.9",
      `BasicAuth ${username} ${password}`,
    ],
    argv: (file) => ["tinyproxy", "-d", "-c", file],
  });
}

/** haproxy as its documentation leads requests to where their URL says; it has no CONNECT of its own. */
async function startHaproxy(): Promise<Subject> {
  const version = await versionOf("haproxy", "-v");
  return startProgram({
    name: "haproxy",
    about: `haproxy ${version}, set up to forward to the address in the URL, with credentials and \`timeout http-request\``,
    abilities: ["http", "credentials"],
    configuration: (port, { username, password }) => [
      "global",
      "  nbthread 1",
      "  maxconn 4096",
      "defaults",
      "  mode http",
      "  timeout connect 10s",
      "  timeout client 60s",
      "  timeout server 60s",
      "  timeout http-request 10s",
      "userlist known",
      `  user ${username} insecure-password ${password}`,
      "listen forward",
      `  bind 127.0.0.1:${port}`,
      "  option http-use-proxy-header",
      "  http-request auth unless { http_auth(known) }",
      "  http-request del-header Proxy-Authorization",
      "  http-request deny status 400 unless { url_beg -i http:// }",
      "  http-request set-header Host %[url,regsub(^[^:]*://,),field(1,/)] if !{ req.hdr(host) -m found }",
      "  http-request set-dst url_ip",
      "  http-request set-dst-port url_port",
      "  http-request set-uri %[pathq] unless { pathq -m len 0 }",
      "  http-request set-uri / if { pathq -m len 0 } !{ method OPTIONS }",
      "  http-request set-uri * if { pathq -m len 0 } { method OPTIONS }",
      "  server any 0.0.0.0:0",
    ],
    argv: (file) => ["haproxy", "-db", "-q", "-f", file],
  });
}
