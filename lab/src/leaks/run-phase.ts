import { setTimeout as delay, setImmediate as immediate } from "node:timers/promises";
import { MARK, type Policy, TUNNEL_NAME } from "@atlantic/companion/src/firewall/policy.ts";
import { account, expectedUnder, type SentCase } from "./account.ts";
import type { Chosen } from "./chosen.ts";
import { compileShape } from "./compile.ts";
import { type Machine, physicalLink, secondLink } from "./machine.ts";
import { describeShape, endpointsAt, type Shape } from "./matrix.ts";
import { PhaseLinks } from "./phase-links.ts";
import { type Phase, upstreamA, upstreamB } from "./phases.ts";
import type { Guard } from "./printed-firewall.ts";
import type { Probers } from "./probers.ts";
import type { Seen } from "./seen.ts";
import { dropFlows, nextTag, openFlows, sendAll } from "./sending.ts";
import { makeDevice } from "./tunnel-device.ts";

/** What one phase showed. */
export interface PhaseResult {
  readonly phase: string;
  readonly cases: number;
  /** Probes that were seen without rules; all of them, or the phase says nothing. */
  readonly control: number;
  readonly unseenByControl: readonly string[];
  /** Cases that were seen and must not be, and frames that nothing names. */
  readonly leaks: readonly string[];
  /** Cases that must be seen and were not. */
  readonly broken: readonly string[];
  /** Frames that the policy allows, by kind. */
  readonly allowed: Readonly<Record<string, number>>;
}

/** Where and what phases try. */
export interface MatrixPlace {
  readonly machine: Machine;
  readonly probers: Probers;
  readonly firewall: Guard;
  readonly shapes: readonly Shape[];
  /** What a split tunnel names here. */
  readonly chosen: Chosen;
}

/** How long after the last probe frames still count: packets that wait in the machine come out within it. */
const AFTERMATH_MS = 50;
/** While something goes on, probes are spread over it. */
const BATCHES = 12;

/** Tries every shape in one state: first without rules, where every probe must be seen, then with them. */
export async function runPhase(place: MatrixPlace, phase: Phase): Promise<PhaseResult> {
  const { machine, probers, firewall, shapes } = place;
  await firewall.open();
  const links = new PhaseLinks(machine);
  const device = await makeDevice(machine, probers.daemon);
  try {
    // What is absent was there once: its index is stale, and its name free.
    if (phase.device === "absent" || phase.device === "impostor") await device.remove();
    const second = phase.secondLink !== "none";
    const name = phase.device === "impostor" ? TUNNEL_NAME : secondLink;
    if (second) await links.plug(name);
    const probePlace = { link: second ? name : physicalLink, second, upstream: upstreamA, mark: MARK };
    const compile = () =>
      shapes.map((shape): SentCase => ({ shape, sent: compileShape(shape, nextTag(), probePlace) }));

    const control = compile();
    await links.segment();
    await openFlows(probers, control);
    await sendAll(probers, control);
    const controlled = account(await links.segment(), control, []);
    await dropFlows(probers);

    const cases = compile();
    await openFlows(probers, cases);
    const policies = phase.path(device.link, place.chosen);
    if (phase.secondLink === "after") await links.unplug();
    for (const policy of policies) await firewall.apply(policy);
    const policyInForce = policies.at(-1);
    if (!policyInForce) throw new Error(`The phase "${phase.name}" has no policy.`);
    if (phase.device === "routed" || phase.device === "taken away") await device.routesUp(policyInForce);
    if (phase.device === "taken away") await device.remove();
    await links.segment();
    if (phase.secondLink === "after") await links.plug(name);
    const inForce = await probe(place, phase, policies, cases);
    await delay(AFTERMATH_MS);
    return {
      phase: phase.name,
      cases: cases.length,
      control: controlled.seen.size,
      unseenByControl: control
        .filter((each) => !controlled.seen.has(each))
        .map(({ shape }) => describeShape(shape)),
      ...judge(await links.segment(), cases, inForce),
    };
  } finally {
    await dropFlows(probers);
    await links.unplug();
    await device.remove();
  }
}

/** Sends the probes while that goes on which the phase wants; returns the policies that were in force meanwhile. */
async function probe(
  { probers, firewall }: MatrixPlace,
  phase: Phase,
  policies: readonly Policy[],
  cases: readonly SentCase[],
): Promise<readonly Policy[]> {
  const last = policies.slice(-1);
  if (phase.meanwhile === "nothing") {
    await sendAll(probers, cases);
    return last;
  }
  let done = false;
  const sending = sendInBatches(probers, cases).finally(() => {
    done = true;
  });
  const round = phase.meanwhile === "swap upstreams" ? swapUpstreams : changeState;
  const inForce = new Set(last);
  while (!done) {
    for (const policy of await round(firewall, policies)) inForce.add(policy);
    await immediate();
  }
  await sending;
  return [...inForce];
}

/** To the other site and back: what a failover does. */
async function swapUpstreams(firewall: Guard, policies: readonly Policy[]): Promise<readonly Policy[]> {
  for (const site of [upstreamB, upstreamA]) await firewall.replaceUpstreams(endpointsAt(site));
  return policies.flatMap((policy) =>
    policy.kind === "blocked" ? [] : [{ ...policy, upstreams: endpointsAt(upstreamB) }],
  );
}

/** Through blocked and the way back, as after a lost network. */
async function changeState(firewall: Guard, policies: readonly Policy[]): Promise<readonly Policy[]> {
  const blocked: Policy = { kind: "blocked", bootstrap: [], allowLan: false };
  for (const policy of [blocked, ...policies]) await firewall.apply(policy);
  return [blocked, ...policies];
}

function judge(
  frames: readonly Seen[],
  cases: readonly SentCase[],
  policies: readonly Policy[],
): Pick<PhaseResult, "leaks" | "broken" | "allowed"> {
  const { seen, allowed, unnamed } = account(frames, cases, policies);
  const must = (each: SentCase) => expectedUnder(each.shape, policies, upstreamA);
  const names = (which: SentCase[]) => which.map(({ shape }) => describeShape(shape));
  return {
    leaks: [...names(cases.filter((each) => must(each) === "dark" && seen.has(each))), ...unnamed],
    broken: names(cases.filter((each) => must(each) === "seen" && !seen.has(each))),
    allowed: Object.fromEntries(allowed),
  };
}

async function sendInBatches(probers: Probers, cases: readonly SentCase[]): Promise<void> {
  const size = Math.ceil(cases.length / BATCHES);
  for (let at = 0; at < cases.length; at += size) await sendAll(probers, cases.slice(at, at + size));
}
