import { addonState } from "@atlantic/native";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addresses, canMakeNamespaces } from "../tunnel/testing/namespaces.ts";
import { ProtectedMachine } from "./testing/protected-machine.ts";

const canRun = canMakeNamespaces() && addonState().kind === "loaded";

let machine: ProtectedMachine;

beforeAll(async () => {
  if (!canRun) return;
  machine = await ProtectedMachine.start({ filtering: false });
  await countWhatLeaves();
});
afterAll(() => machine?.remove());

/** Counts at the next machine what comes and is not for a proxy, without what a link needs itself. */
async function countWhatLeaves(): Promise<void> {
  const { a, b } = machine.ports;
  await machine.rulesOutside(`table inet seen {
    counter beside { }
    chain from_client {
      type filter hook prerouting priority -300; policy accept;
      iif != inner return
      ip daddr ${addresses.upstream.v4} tcp dport { ${a}, ${b} } return
      icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-report, mld2-listener-report } return
      counter name beside
    }
  }`);
  await machine.namespaces.run("upstream", ["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
}

async function packetsBeside(): Promise<number> {
  const argv = ["nft", "list", "counter", "inet", "seen", "beside"];
  const { stdout } = await machine.namespaces.run("upstream", argv);
  return Number(/packets (\d+)/.exec(stdout)?.[1]);
}

const page = (...more: string[]) => machine.run(["curl", "-sS", "--max-time", "20", ...more, machine.site]);

/** What a program could try, besides. */
async function tryToLeak(): Promise<void> {
  const { v4, v6 } = addresses.origin;
  const sockets = `echo > /dev/udp/${v4}/53; echo > /dev/udp/${v4}/443; timeout 1 bash -c 'echo > /dev/tcp/${v4}/853'`;
  await Promise.all([
    page("--max-time", "2", "--interface", "eth0"),
    machine.run(["curl", "-sS", "--max-time", "2", "--interface", "eth0", `http://[${v6}]:443/`]),
    machine.run(["bash", "-c", sockets]),
  ]);
}

/** What a program is told that asks a server of the network for a name. */
async function askedElsewhere(name: string): Promise<string> {
  const text = `const r = new (require("node:dns").promises.Resolver)({ timeout: 5000, tries: 2 });
    r.setServers(["${addresses.upstream.v4}"]); r.resolve4("${name}").then((found) => console.log(found[0]));`;
  const { stdout, stderr } = await machine.run([process.execPath, "-e", text]);
  return stdout.trim() || stderr;
}

test.skipIf(!canRun)("the whole way: connect, crash, failover, disconnect, and nothing beside", async () => {
  expect(await machine.protection()).toMatchObject({ state: "open", upstream: null, holding: null });
  expect((await page()).code).toBe(0);
  const inTheOpen = await packetsBeside();
  expect(inTheOpen).toBeGreaterThan(0);

  const view = await machine.atlantic("connect");
  expect(view).toMatchObject({ state: "connected", upstream: "a", blockingFailed: false, problem: null });
  const before = await packetsBeside();
  expect((await page()).stdout).toContain("hello");
  const asked = machine.upstreams.a.said.flatMap((said) => ("asked" in said ? [said.asked] : []));
  expect(asked).toContain(`${addresses.origin.v4} ${machine.sitePort}`);

  // Whichever server is asked, ours answers, and the upstream resolves the name.
  const name = "www.example.com";
  const fake = await askedElsewhere(name);
  expect(fake).toMatch(/^198\.1[89]\./);
  await machine.run(["curl", "-sS", "--max-time", "5", `http://${fake}:${machine.sitePort}/`]);
  const names = machine.upstreams.a.said.flatMap((said) => ("asked" in said ? [said.asked] : []));
  expect(names).toContain(`${name} ${machine.sitePort}`);
  await tryToLeak();

  await machine.killDaemon();
  expect((await page()).code).not.toBe(0);
  await tryToLeak();
  await machine.startDaemon();
  await machine.until(({ state }) => state === "connected");
  expect((await page()).stdout).toContain("hello");

  await machine.upstreams.a.stop("SIGKILL");
  expect((await page()).stdout).toContain("hello");
  await machine.until(({ state, upstream }) => state === "connected" && upstream === "b");
  await tryToLeak();
  expect(await packetsBeside()).toBe(before);

  expect(await machine.atlantic("disconnect")).toMatchObject({ state: "open", upstream: null });
  expect((await page()).stdout).toContain("hello");
  expect(await packetsBeside()).toBeGreaterThan(before);
});
