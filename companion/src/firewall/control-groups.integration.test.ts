import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Firewall } from "./firewall.ts";
import type { Policy, SplitRules } from "./policy.ts";
import { tunnel } from "./testing/sample-policies.ts";
import { TestHolder } from "./testing/test-holder.ts";
import { PEER4, PEER6, type Probe, Wire } from "./testing/wire.ts";

/** Where the hierarchy of version 2 is mounted: alone, or beside version 1. */
const root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((each) =>
  existsSync(join(each, "cgroup.controllers")),
);

const probes: readonly Probe[] = [PEER4, PEER6, "198.51.100.9"].flatMap((to): Probe[] => [
  { kind: "udp", to, port: 443 },
  { kind: "tcp", to, port: 443 },
]);
const everything = new Set(probes.keys());
const nothing = new Set<number>();
/** A busy machine, and a holder that has much to do first. */
const PATIENCE = { timeout: 20_000, interval: 50 };

describe("control groups that are deleted and made again", () => {
  let wire: Wire;
  let holder: TestHolder;
  let firewall: Firewall;
  let groups: TestGroups;

  beforeAll(async () => {
    wire = await Wire.make();
  });
  afterAll(() => wire.remove());

  beforeEach(async () => {
    holder = new TestHolder(wire.client);
    groups = new TestGroups(`${wire.client}-${holder.folder.slice(-6)}`);
    firewall = await holder.open();
  });
  afterEach(async () => {
    process.kill(await pid(), "SIGCONT");
    await firewall.open();
    await firewall.close();
    await holder.remove();
    groups.remove();
  });

  async function pid(): Promise<number> {
    const [only] = await holder.pids();
    if (only === undefined) throw new Error("The holder is not there.");
    return only;
  }

  const seenFrom = (group: string) => wire.seen(probes, wire.client, groups.folder(group));
  const split = (mode: SplitRules["mode"]): Policy => ({
    kind: "connected",
    upstreams: [],
    tunnel,
    allowLan: false,
    split: { mode, cgroups: [groups.path("chosen")], uids: [], destinations: [] },
  });

  it("never lets what goes only through the tunnel go beside it, not even while the holder cannot look", async () => {
    await firewall.apply(split("only"));
    const listing = await wire.inClient("nft list table inet atlantic");
    expect(listing).toMatch(/set groups2 \{\s+type cgroupsv2\s+elements/);
    expect(listing).toContain("socket cgroupv2 level 2 != @groups2");
    expect(await seenFrom("other"), "all else goes as ever").toEqual(everything);
    expect(await seenFrom("chosen")).toEqual(nothing);
    const stopped = await pid();
    process.kill(stopped, "SIGSTOP");
    groups.remake("chosen");
    expect(await seenFrom("chosen"), "made again").toEqual(nothing);
    groups.remake();
    expect(await seenFrom("chosen"), "made again with the group above it").toEqual(nothing);
    groups.make("new");
    expect(await seenFrom("new"), "nobody knows it yet").toEqual(nothing);
    process.kill(stopped, "SIGCONT");
    await expect.poll(() => seenFrom("new"), PATIENCE).toEqual(everything);
    expect(await seenFrom("chosen")).toEqual(nothing);
    expect(await firewall.inspect()).toMatchObject({ intact: true });
  });

  it("lets what goes beside the tunnel do so again, and nothing before", async () => {
    await firewall.apply(split("all-but"));
    expect(await seenFrom("chosen")).toEqual(everything);
    const stopped = await pid();
    process.kill(stopped, "SIGSTOP");
    groups.remake();
    expect(await seenFrom("chosen")).toEqual(nothing);
    process.kill(stopped, "SIGCONT");
    await expect.poll(() => seenFrom("chosen"), PATIENCE).toEqual(everything);
  });

  it("holds its rules when its holder is killed while a group is gone", async () => {
    await firewall.apply(split("only"));
    groups.remove();
    process.kill(await pid(), "SIGKILL");
    await holder.told("holder-back");
    expect(await firewall.inspect()).toMatchObject({ intact: true, blocking: true });
    groups.make("chosen");
    expect(await seenFrom("chosen")).toEqual(nothing);
  });

  it("lets a group that is left out of the tunnel come later", async () => {
    groups.remove();
    await firewall.apply(split("all-but"));
    groups.make("chosen");
    await expect.poll(() => seenFrom("chosen"), PATIENCE).toEqual(everything);
  });

  it("refuses a group that alone shall go through the tunnel and is not there", async () => {
    await firewall.apply(split("only"));
    const gone: Policy = split("only");
    groups.remove();
    await firewall.open();
    await expect(firewall.apply(gone)).rejects.toThrow(/cannot be found/);
  });
});

/** Groups of a test's own: one that is chosen and one that is not, below one that nobody else uses. */
class TestGroups {
  readonly #name: string;
  readonly #there = new Set<string>();

  constructor(name: string) {
    this.#name = name;
    for (const each of ["chosen", "other"]) this.make(each);
  }

  /** From the root of the hierarchy. */
  path(group: string): string {
    return `${this.#name}/${group}`;
  }

  folder(group: string): string {
    if (root === undefined) throw new Error("This system has no control groups of version 2.");
    return join(root, this.#name, group);
  }

  make(group: string): void {
    mkdirSync(this.folder(group), { recursive: true });
    this.#there.add(group);
  }

  /** Deletes one group and makes it again; without a name all of them, and the one above. */
  remake(group?: string): void {
    const all = group === undefined ? [...this.#there] : [group];
    if (group === undefined) this.remove();
    else rmdirSync(this.folder(group));
    for (const each of all) this.make(each);
  }

  remove(): void {
    for (const each of this.#there) rmdirSync(this.folder(each));
    if (this.#there.size > 0) rmdirSync(this.folder(""));
    this.#there.clear();
  }
}
