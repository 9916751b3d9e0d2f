import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { addonState } from "@atlantic/native";
import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  addresses,
  canMakeNamespaces,
  Namespaces,
  type PlacedProgram,
} from "../tunnel/testing/namespaces.ts";

const canRun = canMakeNamespaces() && addonState().kind === "loaded";
const node = process.execPath;
const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const command = fileURLToPath(new URL("../cli/main.ts", import.meta.url));

let namespaces: Namespaces;
let data: string;
let daemon: ChildProcess;
let upstreams: { readonly a: PlacedProgram; readonly b: PlacedProgram };
let site: string;

beforeAll(async () => {
  if (!canRun) return;
  namespaces = new Namespaces();
  data = mkdtempSync(join(tmpdir(), "atl-protect-"));
  const tunnelProgram = (name: string) => `../../tunnel/testing/${name}`;
  const start = (place: "upstream" | "origin", program: string) =>
    namespaces.start(place, tunnelProgram(program));
  upstreams = { a: start("upstream", "upstream-program.ts"), b: start("upstream", "upstream-program.ts") };
  const origin = start("origin", "origin-program.ts");
  const { http } = await origin.hears("its ports", (said) => "http" in said);
  const ports = await Promise.all(
    [upstreams.a, upstreams.b].map((each) => each.hears("its ports", (said) => "socks5" in said)),
  );
  site = `http://${addresses.origin.v4}:${http}/`;
  const [a, b] = ports.map(({ socks5 }) => Number(socks5));
  await countWhatLeaves([a, b]);
  writeConfig([
    { name: "a", port: a },
    { name: "b", port: b },
  ]);
  daemon = await startDaemon();
});

afterAll(async () => {
  if (!namespaces) return;
  daemon?.kill("SIGKILL");
  for (const pid of pidsIn("client")) process.kill(pid, "SIGKILL");
  await namespaces.remove();
  rmSync(data, { recursive: true, force: true });
});

function writeConfig(list: readonly { name: string; port: number | undefined }[]): void {
  const host = addresses.upstream.v4;
  mkdirSync(join(data, "companion"), { recursive: true });
  writeFileSync(
    join(data, "companion", "config.json"),
    JSON.stringify({
      upstream: { kind: "provider", provider: "socks5", host, port: list[0]?.port },
      proxyPort: 0,
      protection: {
        upstreams: list.map((each) => ({ ...each, kind: "socks5", host })),
        validator: { everySeconds: 1 },
      },
    }),
  );
}

/** Counts at the next machine what comes from the client and is not for a proxy, without what a link needs itself. */
async function countWhatLeaves(ports: readonly (number | undefined)[]): Promise<void> {
  const rules = `table inet seen {
    counter beside { }
    chain from_client {
      type filter hook prerouting priority -300; policy accept;
      iif != inner return
      ip daddr ${addresses.upstream.v4} tcp dport { ${ports.join(", ")} } return
      icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-report, mld2-listener-report } return
      counter name beside
    }
  }`;
  const { code, stderr } = await namespaces.run("upstream", ["nft", "-f", "-"], { input: rules });
  if (code !== 0) throw new Error(stderr);
  await namespaces.run("upstream", ["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
}

async function packetsBeside(): Promise<number> {
  const { stdout } = await namespaces.run("upstream", ["nft", "list", "counter", "inet", "seen", "beside"]);
  return Number(/packets (\d+)/.exec(stdout)?.[1]);
}

async function startDaemon(): Promise<ChildProcess> {
  const child = spawn("ip", ["netns", "exec", namespaces.name("client"), node, main], {
    env: { ...process.env, ATLANTIC_DATA: data, ATLANTIC_LOG: "info" },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [message] = await once(child, "message");
  if (!message || typeof message !== "object" || message.kind !== "ready")
    throw new Error(JSON.stringify(message));
  return child;
}

function pidsIn(place: "client"): number[] {
  const text = execFileSync("ip", ["netns", "pids", namespaces.name(place)], { encoding: "utf8" });
  return text.split("\n").filter(Boolean).map(Number);
}

async function atlantic(...words: string[]): Promise<ProtectionView> {
  const argv = ["env", `ATLANTIC_DATA=${data}`, node, command, "--json", ...words];
  const { code, stdout, stderr } = await namespaces.run("client", argv);
  if (code !== 0) throw new Error(`atlantic ${words.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

async function protection(): Promise<ProtectionView> {
  const status = await atlantic("status");
  return Reflect.get(status, "protection");
}

async function until(holds: (view: ProtectionView) => boolean): Promise<ProtectionView> {
  for (let tries = 0; tries < 200; tries++) {
    const view = await protection();
    if (holds(view)) return view;
    await delay(100);
  }
  throw new Error(`It did not come to that: ${JSON.stringify(await protection())}`);
}

const page = () => namespaces.run("client", ["curl", "-sS", "--max-time", "20", site]);

/** Everything that a program could try, besides. */
async function tryToLeak(): Promise<void> {
  const { v4, v6 } = addresses.origin;
  const attempts = [
    ["curl", "-sS", "--max-time", "2", "--interface", "eth0", site],
    ["curl", "-sS", "--max-time", "2", "--interface", "eth0", `http://[${v6}]:443/`],
    [
      "bash",
      "-c",
      `echo > /dev/udp/${v4}/53; echo > /dev/udp/${v4}/443; timeout 1 bash -c 'echo > /dev/tcp/${v4}/853'`,
    ],
  ];
  await Promise.all(attempts.map((argv) => namespaces.run("client", argv)));
}

test.skipIf(!canRun)("the whole way: connect, crash, failover, disconnect, and nothing beside", async () => {
  expect(await protection()).toMatchObject({ state: "open", upstream: null, holding: null });
  expect((await page()).code).toBe(0);
  const inTheOpen = await packetsBeside();
  expect(inTheOpen).toBeGreaterThan(0);

  const view = await atlantic("connect");
  expect(view).toMatchObject({ state: "connected", upstream: "a", blockingFailed: false, problem: null });
  const before = await packetsBeside();
  expect((await page()).stdout).toContain("hello");
  expect(upstreams.a.said.filter((said) => "asked" in said)).not.toHaveLength(0);
  await tryToLeak();

  daemon.kill("SIGKILL");
  await once(daemon, "exit");
  expect((await page()).code).not.toBe(0);
  await tryToLeak();
  daemon = await startDaemon();
  await until(({ state }) => state === "connected");
  expect((await page()).stdout).toContain("hello");

  await upstreams.a.stop("SIGKILL");
  expect((await page()).stdout).toContain("hello");
  expect(await until(({ state, upstream }) => state === "connected" && upstream === "b")).toBeDefined();
  await tryToLeak();
  expect(await packetsBeside()).toBe(before);

  expect(await atlantic("disconnect")).toMatchObject({ state: "open", upstream: null });
  expect((await page()).stdout).toContain("hello");
  expect(await packetsBeside()).toBeGreaterThan(before);
});
