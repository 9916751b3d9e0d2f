import { loadavg } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { ControlGroup } from "../net/control-group.ts";
import { elsewhere } from "./compile.ts";
import { heldFirewall } from "./held-firewall.ts";
import { buildMachine, type Machine } from "./machine.ts";
import { families } from "./matrix.ts";
import { split } from "./phases.ts";
import type { Probe } from "./prober.ts";
import { type Probers, startProbers } from "./probers.ts";
import { readSeen } from "./seen.ts";
import { nextTag } from "./sending.ts";
import { makeDevice } from "./tunnel-device.ts";

/** What became of packets of a control group that had just been made again, with only it through the tunnel. */
export interface GroupsReport {
  /** How often it was deleted and made again, every second time with the group that it is in. */
  readonly rounds: number;
  readonly sent: number;
  /** Of these, seen outside without any rules. */
  readonly control: number;
  /** Of these, seen outside with the rules. */
  readonly beside: number;
  /** How long new groups beside it were led into the tunnel, in milliseconds, shortest first: until they were known. */
  readonly newcomersMs: readonly number[];
  /** Newcomers of which nothing came outside while it was tried. */
  readonly newcomersNever: number;
  readonly loadAverage: number;
  readonly seconds: number;
}

/** One in so many rounds looks at a newcomer. */
const NEWCOMERS = 10;
/** A newcomer sends so often, once in two milliseconds or so. */
const ATTEMPTS = 40;
/** For what is still on its way to the capture. */
const AFTERMATH_MS = 200;

/** Sends at once from a control group that was made again, again and again, and counts every frame outside. */
export async function runGroups(rounds: number): Promise<GroupsReport> {
  const begun = performance.now();
  const machine = await buildMachine();
  const group = ControlGroup.make(machine.namespace("machine"));
  let firewall: Awaited<ReturnType<typeof heldFirewall>> | undefined;
  try {
    if (group === null) throw new Error("This system lets nobody make control groups: nothing can be tried.");
    const probers = await startProbers(machine, true, group);
    const device = await makeDevice(machine, probers.daemon);
    firewall = await heldFirewall(machine, "owned");
    await machine.capture.segment();
    const without = await remakeAndSend(probers, group, Math.min(rounds, NEWCOMERS));
    const control = await leftAt(machine, without);
    if (control.size < without.length) throw new Error("Not all that is sent without rules is seen outside.");

    const policy = split(device.link, "only", { cgroups: [group.path], uids: [], destinations: [] });
    await firewall.apply(policy);
    await device.routesUp(policy);
    const sent: number[] = [];
    const newcomers: Newcomer[] = [];
    for (let done = 0; done < rounds; done += NEWCOMERS) {
      sent.push(...(await remakeAndSend(probers, group, Math.min(NEWCOMERS, rounds - done))));
      newcomers.push(await newcomer(machine, probers, newcomers.length));
    }
    const left = await leftAt(machine, [...sent, ...newcomers.flatMap(({ tags }) => tags)]);
    const times = newcomers.flatMap(({ madeAt, tags }) => {
      const first = Math.min(...tags.map((tag) => left.get(tag) ?? Infinity));
      return first < Infinity ? [first - madeAt] : [];
    });
    return {
      rounds,
      sent: sent.length,
      control: control.size,
      beside: sent.filter((tag) => left.has(tag)).length,
      newcomersMs: times.sort((one, other) => one - other),
      newcomersNever: newcomers.length - times.length,
      loadAverage: loadavg()[0] ?? 0,
      seconds: (performance.now() - begun) / 1000,
    };
  } finally {
    // First: it would start its holder again.
    await firewall?.close();
    group?.remove();
    await machine.close();
  }
}

/** @returns the tags of what was sent */
async function remakeAndSend(probers: Probers, group: ControlGroup, rounds: number): Promise<number[]> {
  const tags: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const probes = families.flatMap((family) =>
      (["udp", "tcp"] as const).map(
        (protocol): Probe => ({ tag: nextTag(), family, protocol, port: 443, to: elsewhere[family] }),
      ),
    );
    group.remake(round % 2 === 1);
    await probers.by.chosenGroup.send(probes, 0);
    tags.push(...probes.map(({ tag }) => tag));
  }
  return tags;
}

/** A group beside the chosen one's, that is new. */
interface Newcomer {
  /** Milliseconds since 1970. */
  readonly madeAt: number;
  readonly tags: readonly number[];
}

async function newcomer(machine: Machine, { by }: Probers, number: number): Promise<Newcomer> {
  const group = ControlGroup.make(`${machine.namespace("machine")}-new${number}`);
  const madeAt = performance.timeOrigin + performance.now();
  const tags: number[] = [];
  group?.take(by.user.pid);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const tag = nextTag();
    tags.push(tag);
    await by.user.send([{ tag, family: 4, protocol: "udp", port: 443, to: elsewhere[4] }], 1);
  }
  group?.remove();
  return { madeAt, tags };
}

/** When what was sent was seen outside, by its tag. */
async function leftAt(machine: Machine, tags: readonly number[]): Promise<ReadonlyMap<number, number>> {
  await delay(AFTERMATH_MS);
  const wanted = new Set(tags);
  const left = new Map<number, number>();
  for (const frame of await machine.capture.segment()) {
    const { at, ip } = readSeen(frame);
    const tag = ip?.about === null ? ip.sourcePort : null;
    if (tag !== null && wanted.has(tag) && !left.has(tag)) left.set(tag, at);
  }
  return left;
}
