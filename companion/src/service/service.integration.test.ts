import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { addonState } from "@atlantic/native";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addresses, canMakeNamespaces, Namespaces } from "../tunnel/testing/namespaces.ts";
import { serviceFiles } from "./service-files.ts";

const canRun = canMakeNamespaces() && addonState().kind === "loaded";
const inCheckout = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const main = inCheckout("companion/src/main.ts");
const command = inCheckout("companion/src/cli/main.ts");
const holder = inCheckout("native/dist/atlantic-fw");

/** Users that no system has: the service's, one of its group, and a stranger. */
const SERVICE = 64_500;
const MEMBER = 64_501;
const STRANGER = 64_502;

let namespaces: Namespaces;
let keeper: ChildProcess;
const running: ChildProcess[] = [];
let site: string;

/** A unit's capabilities, as its file gives them. */
function capabilitiesOf(unit: string): string {
  const text = serviceFiles("").find(({ path }) => path.endsWith(`/${unit}`))?.text ?? "";
  const names = /^AmbientCapabilities=(.*)$/m.exec(text)?.[1] ?? "";
  return names
    .split(" ")
    .map((name) => `+${name.replace(/^CAP_/, "").toLowerCase()}`)
    .join(",");
}

/** Runs in the client's namespaces, of the network and of files. */
function inside(argv: readonly string[]): readonly string[] {
  return ["nsenter", "-t", `${keeper.pid}`, "-m", "-n", ...argv];
}

function asUser(user: number, group: number, argv: readonly string[]): readonly string[] {
  return ["setpriv", `--reuid=${user}`, `--regid=${group}`, "--clear-groups", ...argv];
}

/** As systemd starts a unit: the service's user, and its capabilities and no others. */
function asUnit(unit: string, argv: readonly string[]): readonly string[] {
  const caps = capabilitiesOf(unit);
  const given = [`--inh-caps=-all,${caps}`, `--ambient-caps=-all,${caps}`, `--bounding-set=-all,${caps}`];
  return [
    "setpriv",
    `--reuid=${SERVICE}`,
    `--regid=${SERVICE}`,
    "--clear-groups",
    ...given,
    "--no-new-privs",
    ...argv,
  ];
}

function start(argv: readonly string[]): ChildProcess {
  const [program = "", ...rest] = inside(argv);
  const child = spawn(program, rest, {
    env: { PATH: process.env.PATH, ATLANTIC_SERVICE: "1", ATLANTIC_LOG: "warn" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.push(child);
  return child;
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(argv: readonly string[]): Promise<Ran> {
  const [program = "", ...rest] = inside(argv);
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH };
    execFile(program, rest, { env, timeout: 90_000 }, (error, out, err) =>
      resolve({ code: typeof error?.code === "number" ? error.code : error ? 1 : 0, out, err }),
    );
  });
}

const atlantic = (user: number, group: number, ...words: string[]) =>
  run(asUser(user, group, [process.execPath, command, "--json", ...words]));

beforeAll(async () => {
  if (!canRun) return;
  namespaces = new Namespaces();
  const upstream = namespaces.start("upstream", "upstream-program.ts");
  const origin = namespaces.start("origin", "origin-program.ts");
  const { socks5 } = await upstream.hears("its ports", (said) => "socks5" in said);
  const { http } = await origin.hears("its ports", (said) => "http" in said);
  site = `http://${addresses.origin.v4}:${http}/`;
  const host = addresses.upstream.v4;
  const config = {
    upstream: { kind: "provider", provider: "socks5", host, port: socks5 },
    proxyPort: 0,
    filtering: false,
    protection: { upstreams: [{ name: "only", kind: "socks5", host, port: socks5 }] },
  };
  // What systemd and installation make, in a view of the file system that goes with the process.
  const files = `set -e
    for place in run etc var/lib dev/net; do mount -t tmpfs none /$place; done
    mknod -m 666 /dev/net/tun c 10 200 # as udev does
    directory() { mkdir -p "$2"; chown ${SERVICE}:${SERVICE} "$2"; chmod "$1" "$2"; }
    directory 0750 /run/atlantic; directory 0700 /run/atlantic-fw
    directory 0700 /var/lib/atlantic; directory 0700 /var/lib/atlantic-fw
    mkdir /etc/atlantic; cat > /etc/atlantic/config.json
    chown -R 0:${SERVICE} /etc/atlantic; chmod 0750 /etc/atlantic; chmod 0640 /etc/atlantic/config.json
    echo ready; exec sleep infinity`;
  keeper = spawn("ip", ["netns", "exec", namespaces.name("client"), "sh", "-c", files], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  keeper.stdin?.end(JSON.stringify(config));
  if (keeper.stdout) await once(keeper.stdout, "data");
  const fw = start(
    asUnit("atlantic-fw.service", [
      holder,
      "--socket",
      "/run/atlantic-fw/firewall.sock",
      "--state",
      "/var/lib/atlantic-fw/rules",
    ]),
  );
  if (fw.stdout) await once(fw.stdout, "data");
  start(asUnit("atlanticd.service", [process.execPath, main]));
  for (let tries = 0; tries < 300; tries++) {
    if ((await run(["test", "-S", "/run/atlantic/control.sock"])).code === 0) return;
    await delay(100);
  }
  throw new Error("The service did not come up.");
});

afterAll(async () => {
  if (!namespaces) return;
  for (const child of [...running, keeper]) child?.kill("SIGKILL");
  await namespaces.remove();
});

test.skipIf(!canRun)("as a service: its own user, and everyone may do what is theirs", async () => {
  const stranger = await atlantic(STRANGER, STRANGER, "status");
  expect(stranger).toMatchObject({ code: 1, out: "" });

  const connected = await atlantic(MEMBER, SERVICE, "connect");
  expect(connected.err).toBe("");
  expect(JSON.parse(connected.out)).toMatchObject({
    state: "connected",
    upstream: "only",
    blockingFailed: false,
  });
  expect((await run(["curl", "-sS", "--max-time", "20", site])).out).toContain("hello");
  expect((await run(["curl", "-sS", "--max-time", "3", "--interface", "eth0", site])).code).not.toBe(0);

  const leaks = await atlantic(MEMBER, SERVICE, "leaks");
  expect(leaks.code).toBe(0);
  const { verdict } = JSON.parse(leaks.out);
  expect(verdict.kept).toBe(true);
  expect(verdict.findings.map(({ check }: { check: string }) => check)).toEqual(
    expect.arrayContaining(["rules", "canary-control", "canaries-eth0", "dns-canary", "exit-address"]),
  );

  // No polkit here: then nobody but root releases.
  const refused = await atlantic(MEMBER, SERVICE, "disconnect");
  expect(refused.code).toBe(1);
  expect(refused.err).toContain("sudo");
  expect(JSON.parse((await atlantic(MEMBER, SERVICE, "status")).out).protection.state).toBe("connected");

  expect(JSON.parse((await atlantic(0, 0, "lockdown", "on")).out)).toMatchObject({ lockdown: true });
  expect(JSON.parse((await atlantic(0, 0, "disconnect")).out)).toMatchObject({ state: "locked" });
  expect((await run(["curl", "-sS", "--max-time", "3", site])).code).not.toBe(0);
  expect((await run(["test", "-e", "/var/lib/atlantic/blocked-at-boot"])).code).toBe(0);
  expect((await atlantic(MEMBER, SERVICE, "lockdown", "off")).code).toBe(1);
  expect(JSON.parse((await atlantic(0, 0, "lockdown", "off")).out)).toMatchObject({ state: "open" });
  expect((await run(["test", "-e", "/var/lib/atlantic/blocked-at-boot"])).code).toBe(1);
});
