import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { encodeFrame, FrameReader } from "../native-messaging/framing.ts";
import type { Firewall, FirewallOptions } from "./firewall.ts";
import { HolderConnection } from "./holder-connection.ts";
import { upstreamSet } from "./named-sets.ts";
import { type Policy, TABLE } from "./policy.ts";
import type { RuleSet } from "./rule-set.ts";
import { rulesOf } from "./rules-of.ts";
import { startHolder } from "./start-holder.ts";
import { TestHolder } from "./testing/test-holder.ts";
import { PEER4, PEER6, type Probe, Wire } from "./testing/wire.ts";

const blocked: Policy = { kind: "blocked", bootstrap: [], allowLan: false };
const attempts: readonly Probe[] = [
  { kind: "udp", to: PEER4, port: 443 },
  { kind: "udp", to: PEER6, port: 443 },
  { kind: "tcp", to: PEER4, port: 443 },
  { kind: "frame", to: "198.51.100.9", port: 443, device: "eth0" },
];
const nothing = new Set<number>();
const PATIENCE = { timeout: 20_000, interval: 50 };
const quiet = { trouble() {}, gone() {} };

describe("the holder of the firewall's rules", () => {
  let wire: Wire;
  let holder: TestHolder;
  let firewall: Firewall;

  beforeAll(async () => {
    wire = await Wire.make();
  });
  afterAll(() => wire.remove());
  beforeEach(() => {
    holder = new TestHolder(wire.client);
  });
  afterEach(async () => {
    await firewall.open();
    await firewall.close();
    await holder.remove();
  });

  async function start(more: Partial<FirewallOptions> = {}): Promise<void> {
    firewall = await holder.open(more);
  }

  const chains = () => wire.inClient("nft list table netdev atlantic");

  it.each(["inet", "netdev"])("wakes the table of %s that others have put to sleep", async (family) => {
    await start({ holding: "watched" });
    await firewall.apply(blocked);
    await wire.inClient(`nft add table ${family} atlantic '{ flags dormant; }'`);
    expect((await holder.told("changed")).message).toMatch(/^nft changed/);
    expect(await wire.seen(attempts)).toEqual(nothing);
    expect(await firewall.inspect()).toMatchObject({ intact: true, blocking: true });
  });

  it("puts back rules that others have tied to things of their own", async () => {
    await start({ holding: "watched" });
    await firewall.apply(blocked);
    const { digest } = await firewall.inspect();
    await wire.inClient(
      "nft -f -",
      `add chain netdev atlantic theirs
       add map netdev atlantic ways { type inet_proto : verdict; elements = { tcp : jump theirs }; }
       flush chain netdev atlantic egress
       add rule netdev atlantic egress accept`,
    );
    await expect.poll(() => firewall.inspect(), PATIENCE).toMatchObject({ digest, intact: true });
    expect(await wire.seen(attempts)).toEqual(nothing);
  });

  it("blocks where the rules of the one before it are refused, and says so", async () => {
    writeFileSync(holder.state, stateWith({ to: "jump", chain: "nowhere" }));
    await start();
    expect((await holder.told("failed")).message).toMatch(/could not be put in place/);
    expect(await wire.seen(attempts)).toEqual(nothing);
    expect(await firewall.inspect()).toMatchObject({ intact: true, blocking: true });
  });

  it("never says that rules are there which are not, and puts them in place as soon as it can", async () => {
    const manager = await ServiceManager.listen(join(holder.folder, "notify"));
    const [enter = "", ...rest] = holder.command;
    const command = ["env", `NOTIFY_SOCKET=${manager.path}`, enter, ...rest];
    const other = new TestHolder(wire.client);
    try {
      const theirs = await other.open();
      await theirs.apply({ ...blocked, allowLan: true });
      await theirs.close();
      writeFileSync(holder.state, stateWith({ to: "accept" }));
      await start({ command });
      expect((await holder.told("failed")).message).toMatch(/not permitted/);
      expect(await firewall.inspect()).toMatchObject({ intact: false });
      expect(manager.said).toBe("bound ");
      expect(JSON.parse(readFileSync(holder.state, "utf8"))).toHaveProperty("rules");
    } finally {
      await other.remove();
    }
    await expect.poll(() => firewall.inspect(), PATIENCE).toMatchObject({ intact: true, blocking: true });
    expect(await wire.seen(attempts)).toEqual(nothing);
    await expect.poll(() => manager.said, PATIENCE).toBe("bound READY=1");
  });

  it("says that rules are gone although their file cannot be removed", async () => {
    await start();
    mkdirSync(holder.state);
    await firewall.apply(blocked);
    await firewall.open();
    expect(await firewall.inspect()).toMatchObject({ blocking: false, intact: true });
  });

  it("keeps the chains of links that are gone, but not of all that ever were", async () => {
    await start();
    await firewall.apply(blocked);
    const spare = async () => (await chains()).match(/chain link_/g)?.length;
    const names = Array.from({ length: 110 }, (_, index) => `x${index}`);
    await wire.inClient(
      "ip -batch -",
      names.map((name) => `link add ${name} group 7 type bridge\n`).join(""),
    );
    await expect.poll(spare, PATIENCE).toBe(111);
    await wire.inClient("ip link delete group 7; ip link add last type bridge");
    await expect.poll(spare, PATIENCE).toBe(2);
    expect(await firewall.inspect()).toMatchObject({ intact: true });
    await wire.inClient("ip link delete last");
  });

  it("gives a link that has the name of one of another kind the rules of its own kind", async () => {
    await start();
    await firewall.apply(blocked);
    await wire.inClient("ip link add eth7 type veth peer name eth7p");
    await expect.poll(chains, PATIENCE).toContain('device "eth7p"');
    expect(rulesOfLink(await chains(), "eth7")).toContain("passed the rules of the IP stack");
    await wire.inClient("ip link delete eth7; ip tuntap add eth7 mode tap");
    await expect.poll(async () => rulesOfLink(await chains(), "eth7"), PATIENCE).not.toContain("passed");
    await wire.inClient("ip link delete eth7; ip link add eth7 type veth peer name eth7p");
    await expect.poll(async () => rulesOfLink(await chains(), "eth7"), PATIENCE).toContain("passed");
    await wire.inClient("ip link delete eth7");
  });

  it("covers a link whose name is no text", async () => {
    await start();
    await firewall.apply(blocked);
    await wire.inClient('ip tuntap add "$(printf "e\\377")" mode tap');
    await expect.poll(chains, PATIENCE).toContain("chain link_65ff");
    expect(await firewall.inspect()).toMatchObject({ intact: true });
    await wire.inClient('ip link delete "$(printf "e\\377")"');
  });

  it("is one alone, also where two are started at once", async () => {
    const { socket, state, command } = holder;
    for (let round = 0; round < 2; round++) {
      const both = [1, 2].map(() => startHolder({ socket, state, command }).then(() => "runs", String));
      const outcomes = await Promise.all(both);
      expect(outcomes.filter((outcome) => outcome === "runs")).toHaveLength(1);
      expect(outcomes.join()).toMatch(/another holder/);
      expect(await holder.pids()).toHaveLength(1);
      await start();
      await firewall.apply(blocked);
      expect(await firewall.inspect()).toMatchObject({ intact: true, blocking: true });
      await firewall.close();
      for (const pid of await holder.pids()) process.kill(pid, "SIGKILL");
    }
    await start();
  });

  it("does what it answers, also after a refusal that was too long to be heard to its end", async () => {
    await start();
    await firewall.apply(blocked);
    const daemon = await HolderConnection.open(holder.socket, quiet);
    const rules = rulesOf(blocked);
    const lost = { why: "", matches: [], acts: [], verdict: { to: "jump", chain: "x" } } as const;
    const chain = { name: "long", base: null, rules: Array.from({ length: 14_000 }, () => lost) };
    const inet = { ...rules.inet, chains: [...rules.inet.chains, chain] };
    await expect(daemon.ask({ do: "apply", rules: { ...rules, inet } })).rejects.toThrow(/refused/);
    const upstreams = [{ address: PEER4, protocol: "udp", port: 443 }] as const;
    expect(await daemon.ask({ do: "swap", sets: [upstreamSet(upstreams, 4)] })).toMatchObject({ is: "done" });
    await daemon.end();
    expect(await firewall.inspect()).toMatchObject({ intact: true });
  });

  it("sees what others do also while somebody has very much to ask", async () => {
    await start({ holding: "watched" });
    await firewall.apply(blocked);
    const daemon = createConnection(holder.socket);
    const reader = new FrameReader();
    const heard: string[] = [];
    daemon.on("data", (chunk) => heard.push(...reader.push(chunk)));
    const orders = Array.from({ length: 2_000 }, (_, id) =>
      encodeFrame(JSON.stringify({ id, order: { do: "inspect" } })),
    );
    daemon.write(Buffer.concat(orders));
    await expect.poll(() => heard.length, PATIENCE).toBeGreaterThan(1);
    await wire.inClient("nft flush ruleset");
    await expect.poll(() => heard.length, PATIENCE).toBeGreaterThan(2_001);
    daemon.destroy();
    expect(heard.findIndex((said) => said.includes("nft changed"))).toBeLessThan(2_000);
  });

  it("keeps what nobody has heard for a daemon, and not for whoever only knocks", async () => {
    const { socket, state, command } = holder;
    writeFileSync(state, stateWith({ to: "jump", chain: "nowhere" }));
    await startHolder({ socket, state, command });
    await new Promise((resolve) => {
      const knocking = createConnection(socket);
      knocking.once("data", () => knocking.destroy());
      knocking.once("close", resolve);
    });
    await start();
    expect((await holder.told("failed")).message).toMatch(/could not be put in place/);
  });
});

/** Hears as systemd does when a service is ready. */
class ServiceManager {
  readonly path: string;
  said = "";

  private constructor(path: string) {
    this.path = path;
  }

  static async listen(path: string): Promise<ServiceManager> {
    const manager = new ServiceManager(path);
    const program = `import socket, sys
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
heard.bind(sys.argv[1])
heard.settimeout(60)
print("bound ", end="", flush=True)
print(heard.recv(99).decode(), end="", flush=True)`;
    const child = spawn("python3", ["-c", program, path], { stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      manager.said += text;
    });
    await once(child.stdout, "data");
    return manager;
  }
}

/** What a holder before this one left: rules that end as is said. */
function stateWith(verdict: RuleSet["egress"]["internal"][number]["verdict"]): string {
  const rules = rulesOf(blocked);
  const last = { why: "", matches: [], acts: [], verdict };
  const chains = [...rules.inet.chains, { name: "last", base: null, rules: [last] }];
  return JSON.stringify({
    rules: { ...rules, table: TABLE, inet: { ...rules.inet, chains } },
    boot: readFileSync("/proc/sys/kernel/random/boot_id", "utf8"),
    before: {},
  });
}

/** Of all chains in a listing those of one link. */
function rulesOfLink(listing: string, link: string): string {
  return listing
    .split(/\n(?=\tchain)/)
    .filter((chain) => chain.includes(`device "${link}"`))
    .join();
}
