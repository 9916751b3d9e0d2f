import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Firewall, FirewallOptions } from "./firewall.ts";
import { FirewallError } from "./firewall-error.ts";
import { HolderConnection } from "./holder-connection.ts";
import { MARK, type Policy } from "./policy.ts";
import { printNft } from "./print-nft.ts";
import { rulesOf } from "./rules-of.ts";
import { startHolder } from "./start-holder.ts";
import { runProgram } from "./testing/run-program.ts";
import { sampleNames, samplePolicies, tunnel } from "./testing/sample-policies.ts";
import { TestHolder } from "./testing/test-holder.ts";
import { PEER4, PEER6, type Probe, Wire } from "./testing/wire.ts";

const upstream = { address: "203.0.113.7", protocol: "tcp", port: 7777 } as const;
const upstream6 = { address: "2001:db8:7::7", protocol: "tcp", port: 7777 } as const;
const blocked: Policy = { kind: "blocked", bootstrap: [upstream, upstream6], allowLan: false };

/** Everything that an ordinary or a root program may try, to two places in both families. */
const attempts: readonly Probe[] = [
  ...["198.51.100.9", PEER4, "2001:db8:9::9", PEER6].flatMap((to): Probe[] => [
    ...[53, 443, 853, 1337].flatMap((port): Probe[] =>
      (["tcp", "udp"] as const).flatMap((kind) => [
        { kind, to, port },
        { kind, to, port, device: "eth0" },
      ]),
    ),
    { kind: "icmp", to, port: 0 },
    { kind: "udp", to, port: 443, mark: MARK },
    { kind: "udp", to, port: 443, mark: 0x1234 },
  ]),
  { kind: "frame", to: "198.51.100.9", port: 443, device: "eth0" },
  { kind: "frame", to: "198.51.100.9", port: 443, device: "eth0", bypass: true },
  { kind: "frame", to: "198.51.100.9", port: 443, device: "eth0", vlan: true, claims: 0x8100 },
  { kind: "frame", to: "198.51.100.9", port: 443, device: "eth0", mark: MARK },
  // Said to be ARP, and none.
  { kind: "frame", to: "198.51.100.9", port: 443, device: "eth0", claims: 0x0806 },
  { kind: "tcp", to: upstream.address, port: upstream.port },
  { kind: "tcp", to: upstream6.address, port: upstream6.port },
];
const toUpstreams: readonly Probe[] = [
  { kind: "tcp", to: upstream.address, port: upstream.port, mark: MARK },
  { kind: "tcp", to: upstream6.address, port: upstream6.port, mark: MARK },
];

const everything = (probes: readonly Probe[]) => new Set(probes.keys());
const nothing = new Set<number>();

describe("the firewall in the kernel", () => {
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

  it("lets every probe out when it is open, and none when it blocks, but the marked to an upstream", async () => {
    await start();
    expect(await wire.seen(attempts), "the positive control").toEqual(everything(attempts));
    await firewall.apply(blocked);
    expect(await wire.seen(attempts)).toEqual(nothing);
    expect(await wire.seen(toUpstreams)).toEqual(everything(toUpstreams));
    await firewall.open();
    expect(await wire.seen(attempts)).toEqual(everything(attempts));
  });

  it("swaps the upstreams, and the old one is closed at once", async () => {
    await start();
    await firewall.apply(blocked);
    await firewall.replaceUpstreams([{ address: PEER4, protocol: "udp", port: 443 }]);
    expect(await wire.seen([...toUpstreams, { kind: "udp", to: PEER4, port: 443, mark: MARK }])).toEqual(
      new Set([2]),
    );
    expect(await firewall.inspect()).toMatchObject({ intact: true, blocking: true });
  });

  it("is what nft makes of the printed text, for every kind of policy", async () => {
    await start();
    const list = () =>
      wire.inClient("nft --stateless list table inet atlantic; nft --stateless list table netdev atlantic");
    for (const name of sampleNames) {
      await firewall.apply(samplePolicies[name]);
      const loaded = await list();
      await firewall.open();
      const text = printNft(rulesOf(samplePolicies[name]), [{ name: "eth0", internal: true }]);
      await wire.inClient("nft -f -", text);
      expect(sorted(loaded), name).toEqual(sorted(await list()));
      await wire.inClient("nft flush ruleset");
    }
  });

  it("comes to the same rules from whatever policy was there before, itself too", async () => {
    await start();
    const anew = new Map<string, string>();
    for (const name of sampleNames) {
      await firewall.open();
      await firewall.apply(samplePolicies[name]);
      anew.set(name, (await firewall.inspect()).digest);
    }
    for (const from of sampleNames)
      for (const to of sampleNames) {
        await firewall.apply(samplePolicies[from]);
        await firewall.apply(samplePolicies[to]);
        const { digest, intact } = await firewall.inspect();
        expect({ digest, intact }, `${from}, then ${to}`).toEqual({ digest: anew.get(to), intact: true });
      }
  });

  it("cannot be flushed, deleted or changed by anybody else", async () => {
    await start();
    expect(firewall.holding).toBe("owned");
    await firewall.apply(blocked);
    const before = await firewall.inspect();
    await wire.inClient(
      `nft flush ruleset
       for order in "delete table inet atlantic" "delete table netdev atlantic" "flush chain inet atlantic output" \
         "add rule inet atlantic output accept" "add element inet atlantic upstream4 { 198.51.100.9 . udp . 443 }"
       do if nft $order 2>/dev/null; then echo "$order"; exit 1; fi; done`,
    );
    const after = await firewall.inspect();
    expect(after).toMatchObject({ digest: before.digest, intact: true });
    expect(await wire.seen(attempts)).toEqual(nothing);
  });

  it("stays when its holder is killed, and the next holder takes the same rules over", async () => {
    await start();
    await firewall.apply(blocked);
    const { digest } = await firewall.inspect();
    const [pid = 0] = await holder.pids();
    process.kill(pid, "SIGKILL");
    expect(await wire.seen(attempts)).toEqual(nothing);
    await holder.told("holder-back");
    expect(holder.troubles.map(({ kind }) => kind)).toContain("holder-gone");
    expect(await firewall.inspect()).toMatchObject({ digest, intact: true, blocking: true });
    await wire.inClient("nft flush ruleset");
    expect(await wire.seen(attempts)).toEqual(nothing);
  });

  it("does what it was told when its holder is killed before it answers", async () => {
    await start();
    await firewall.apply(blocked);
    const [pid = 0] = await holder.pids();
    process.kill(pid, "SIGSTOP");
    const to: Probe = { kind: "udp", to: PEER4, port: 443, mark: MARK };
    const swapped = firewall.replaceUpstreams([{ address: PEER4, protocol: "udp", port: 443 }]);
    process.kill(pid, "SIGKILL");
    await swapped;
    expect(await wire.seen([...toUpstreams, to])).toEqual(new Set([2]));
  });

  it("outlives the daemon, and the next daemon finds it", async () => {
    await start();
    await firewall.apply(blocked);
    const before = await firewall.inspect();
    await firewall.close();
    await start();
    expect(await firewall.inspect()).toEqual(before);
    expect(await holder.pids()).toHaveLength(1);
  });

  it("lives on when daemons go away while it has a trouble to tell", async () => {
    await start();
    const [pid = 0] = await holder.pids();
    const leaving = [await hail(), await hail()];
    const staying = await HolderConnection.open(holder.socket, { trouble() {}, gone() {} });
    // All of it is there when it looks again.
    process.kill(pid, "SIGSTOP");
    await expect.poll(() => readFileSync(`/proc/${pid}/stat`, "utf8")).toContain(") T ");
    for (const daemon of leaving) daemon.destroy();
    const settings = [{ name: "net/no/such/setting", value: "1" }];
    const applied = staying.ask({ do: "apply", rules: { ...rulesOf(blocked), settings } });
    process.kill(pid, "SIGCONT");
    expect(await applied).toMatchObject({ is: "done" });
    expect((await holder.told("failed")).message).toContain("net/no/such/setting");
    await staying.end();
    expect(await holder.pids()).toEqual([pid]);
  });

  /** A daemon that says nothing; the holder knows it. */
  async function hail(): Promise<Socket> {
    const socket = createConnection(holder.socket);
    await once(socket, "data");
    return socket;
  }

  it("starts no holder where a service manager does, and waits for that one", async () => {
    const withoutStarting = { startsHolder: false };
    await expect(start(withoutStarting)).rejects.toThrow(/systemctl status atlantic-fw/);
    expect(await holder.pids()).toEqual([]);
    const { socket, state, command } = holder;
    await startHolder({ socket, state, command });
    await start(withoutStarting);
    await firewall.apply(blocked);
    const [pid = 0] = await holder.pids();
    process.kill(pid, "SIGKILL");
    await holder.told("holder-gone");
    await expect.poll(() => holder.pids()).toEqual([]);
    await startHolder({ socket, state, command });
    await holder.told("holder-back");
    expect(await holder.pids()).toHaveLength(1);
    expect(await firewall.inspect()).toMatchObject({ intact: true, blocking: true });
  });

  it("refuses rules that the kernel cannot take, says so, and those from before hold", async () => {
    await start();
    await firewall.apply(blocked);
    const { digest } = await firewall.inspect();
    const split = { mode: "only", cgroups: ["no-such-group"], uids: [], destinations: [] } as const;
    await expect(
      firewall.apply({ kind: "connected", upstreams: [], tunnel, allowLan: false, split }),
    ).rejects.toThrow(/no-such-group cannot be found.*Those from before hold on/);
    expect(await firewall.inspect()).toMatchObject({ digest, intact: true });
  });

  it("refuses a rule that is longer than can be said to the kernel, and goes on", async () => {
    await start();
    await firewall.apply(blocked);
    const { digest } = await firewall.inspect();
    const daemon = await HolderConnection.open(holder.socket, { trouble() {}, gone() {} });
    const rules = rulesOf(blocked);
    const matches = Array.from({ length: 2_000 }, () => ({ is: "mark", mark: MARK }) as const);
    const long = { why: "", matches, acts: [], verdict: { to: "drop" } } as const;
    const chains = [...rules.inet.chains, { name: "long", base: null, rules: [long] }];
    const applied = daemon.ask({ do: "apply", rules: { ...rules, inet: { ...rules.inet, chains } } });
    await expect(applied).rejects.toThrow(/too long.*Those from before hold on/);
    await daemon.end();
    expect(await firewall.inspect()).toMatchObject({ digest, intact: true });
  });

  it("covers a link that is plugged in later, and tells how long that took", async () => {
    await start();
    await firewall.apply(blocked);
    await wire.inClient("ip link add eth7 type veth peer name eth7p");
    const { message, openMs } = await holder.told("link");
    expect(message).toMatch(/eth7/);
    expect(openMs).toBeGreaterThan(0);
    expect(await firewall.inspect()).toMatchObject({ intact: true });
    expect(await wire.inClient("nft list table netdev atlantic")).toContain('device "eth7"');
    // Another link of that name.
    await wire.inClient("ip link delete eth7; ip link add eth7 type veth peer name eth7p");
    await expect.poll(() => wire.inClient("nft list table netdev atlantic")).toContain('device "eth7"');
    await expect.poll(() => firewall.inspect()).toMatchObject({ intact: true });
    await wire.inClient("ip link delete eth7");
    expect(await firewall.inspect()).toMatchObject({ intact: true });
  });

  it("stops a container on a macvlan link", async () => {
    await start();
    const container = `${wire.client}m`;
    await wire.addNamespace(container);
    await wire.inClient(`ip link add link eth0 name mac0 netns ${container} type macvlan mode bridge`);
    await runProgram(["ip", "netns", "exec", container, "sh", "-euc", containerSetup]);
    const probes: Probe[] = [
      { kind: "tcp", to: PEER4, port: 443 },
      { kind: "udp", to: PEER4, port: 443 },
      { kind: "icmp", to: PEER4, port: 0 },
    ];
    expect(await wire.seen(probes, container), "the positive control").toEqual(everything(probes));
    await firewall.apply(blocked);
    expect(await wire.seen(probes, container)).toEqual(nothing);
  });

  it("holds the kernel's settings, and puts them back as they were when it opens", async () => {
    await start();
    const read = async () => (await wire.inClient("sysctl -n net.ipv4.conf.all.src_valid_mark")).trim();
    expect(await read()).toBe("0");
    await firewall.apply(blocked);
    expect(await read()).toBe("1");
    await wire.inClient("sysctl -qw net.ipv4.conf.all.src_valid_mark=0");
    expect((await holder.told("setting")).message).toMatch(/src_valid_mark was 0; it is 1 again/);
    expect(await read()).toBe("1");
    await firewall.open();
    expect(await read()).toBe("0");
  });

  it("looks after settings that the kernel does not tell of, also while it is asked without a pause", async () => {
    await start();
    await firewall.apply(blocked);
    await wire.inClient("sysctl -qw net.ipv4.fwmark_reflect=0");
    const deadline = performance.now() + 20_000;
    while (holder.troubles.length === 0 && performance.now() < deadline) await firewall.inspect();
    expect(holder.troubles.map(({ message }) => message)).toEqual([
      expect.stringMatching(/fwmark_reflect was 0; it is 1 again/),
    ]);
  });

  it("holds its rules when they cannot be written down, says so, and writes them as soon as that can be", async () => {
    await start();
    // In the way of the file that is written beside: as good as a full disk, whoever writes.
    const obstacle = `${holder.state}.new`;
    mkdirSync(obstacle);
    await firewall.apply(blocked);
    expect((await holder.told("unsaved")).message).toContain("The rules hold");
    expect(await wire.seen(attempts)).toEqual(nothing);
    rmSync(obstacle, { recursive: true });
    await expect.poll(() => existsSync(holder.state)).toBe(true);
    expect(holder.troubles.map(({ kind }) => kind)).not.toContain("failed");
  });

  it("is put back, where it cannot be owned, when others change it, and tells for how long it was gone", async () => {
    await start({ holding: "watched" });
    expect(firewall.holding).toBe("watched");
    await firewall.apply(blocked);
    const { digest } = await firewall.inspect();
    await wire.inClient("nft flush ruleset");
    const { message, openMs } = await holder.told("changed");
    expect(message).toMatch(/^nft changed the firewall's rules/);
    expect(openMs).toBeGreaterThan(0);
    expect(await firewall.inspect()).toMatchObject({ digest, intact: true });
    expect(await wire.seen(attempts)).toEqual(nothing);
  });

  it("is put back also when others change it while it is being loaded", async () => {
    await start({ holding: "watched" });
    await firewall.apply(blocked);
    const flushes = "flush ruleset\n".repeat(30);
    for (let round = 0; round < 8; round++) {
      // Where they come too thick the order may be refused: then the rules from before must come back.
      const applied = firewall.apply(blocked).catch((error) => expect(error).toBeInstanceOf(FirewallError));
      await Promise.all([wire.inClient("nft -i >/dev/null", flushes), applied]);
      await expect
        .poll(() => firewall.inspect(), { timeout: 20_000 })
        .toMatchObject({ intact: true, blocking: true });
      expect(await wire.inClient("nft list tables"), `round ${round}`).toContain("table inet atlantic");
    }
  });

  it("blocks at once, before anybody has said anything, when it is told so", async () => {
    await start({ command: [...holder.command, "--block"] });
    expect(await wire.seen(attempts)).toEqual(nothing);
    expect(await wire.seen(toUpstreams)).toEqual(nothing);
  });

  it("needs no more than 4 MB of memory", async () => {
    await start();
    for (const name of sampleNames) await firewall.apply(samplePolicies[name]);
    const [pid = 0] = await holder.pids();
    const kilobytes = /VmRSS:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    expect(Number(kilobytes)).toBeLessThanOrEqual(4096);
  });
});

const containerSetup = `ip addr add 192.0.2.8/24 dev mac0; ip link set mac0 up
  ip neigh replace ${PEER4} lladdr 02:00:00:00:00:02 dev mac0 nud permanent`;

/** Blocks of a listing: the kernel lists chains and sets in an order of its own, and says who owns the table. */
function sorted(listing: string): string[] {
  return listing
    .replaceAll(/ # progname .*\n\tflags owner\n/g, "\n")
    .split(/\n(?=\tchain|\tset)/)
    .map((block) => block.replaceAll(/^}|\s+$/gm, "").trim())
    .filter((block) => block !== "")
    .sort();
}
