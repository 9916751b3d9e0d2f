import { MARK, type Policy, type SplitRules } from "@atlantic/companion/src/firewall/policy.ts";
import {
  type Ability,
  type AbilityPlace,
  eventually,
  hasUpstream,
  isConnected,
  never,
  notingExchange,
  PATIENCE_MS,
} from "./abilities.ts";
import { CHOSEN_USER, chosenAddress } from "./chosen.ts";
import { elsewhere, type Sender } from "./compile.ts";
import { FAKE_ADDRESSES } from "./fake-addresses.ts";
import { addresses, macs, physicalLink } from "./machine.ts";
import { endpointsOf, type Family, families, resolverPorts, type Transport, transports } from "./matrix.ts";
import { upstreamA } from "./phases.ts";
import type { Probe } from "./prober.ts";
import type { Seen } from "./seen.ts";

/** Who sends where, and whether a split tunnel names that. */
interface Traffic {
  readonly name: string;
  readonly sender: Sender;
  readonly to: Readonly<Record<Family, string>>;
  isChosen(split: SplitRules): boolean;
}

const byDestination = ({ destinations }: SplitRules) => destinations.length > 0;
const traffic: readonly Traffic[] = [
  { name: "nothing chosen", sender: "user", to: elsewhere, isChosen: never },
  { name: "a chosen user", sender: "chosenUser", to: elsewhere, isChosen: ({ uids }) => uids.length > 0 },
  {
    name: "a chosen control group",
    sender: "chosenGroup",
    to: elsewhere,
    isChosen: ({ cgroups }) => cgroups.length > 0,
  },
  { name: "a chosen destination", sender: "user", to: chosenAddress, isChosen: byDestination },
  {
    name: "a container's chosen destination",
    sender: "bridged",
    to: chosenAddress,
    isChosen: byDestination,
  },
  {
    name: "a linked container's chosen destination",
    sender: "linked",
    to: chosenAddress,
    isChosen: byDestination,
  },
];

function named(
  what: string,
  protocol: Transport,
  family: Family,
  way: "through the tunnel" | "beside it",
): string {
  return `${what}, ${protocol.toUpperCase()}, IPv${family}: ${way}`;
}

function answered(what: string, protocol: Transport, family: Family): string {
  return `${what}, ${protocol.toUpperCase()}, IPv${family}: answered`;
}

function splitOf(policy: Policy): SplitRules | null {
  return policy.kind === "connected" ? policy.split : null;
}

function goesBeside(policy: Policy, isChosen: Traffic["isChosen"]): boolean {
  const split = splitOf(policy);
  if (!split) return false;
  return isChosen(split) === (split.mode === "all-but");
}

/** What nobody can know yet is not beside the tunnel, whichever way round it is chosen. */
const remakes = [
  { name: "a chosen control group that was made again", withAbove: false },
  { name: "a chosen control group that was made again with the one it is in", withAbove: true },
] as const;

const isOnly = (policy: Policy) => splitOf(policy)?.mode === "only";
const fromBehind = "a frame of a chosen user with our mark reaches the upstream";
const chosenToUpstream = "TCP of a chosen user with our mark reaches the upstream";
const toItself = "a chosen user reaches this machine itself";
const namesOf = (port: number) => `UDP port ${port} of a chosen user is refused at once`;
const resetOf = "TCP port 853 of a chosen user is refused at once";
const containerNames = "UDP port 853 of a container's chosen destination goes through the tunnel";
const groupToFake = (family: Family) =>
  `a chosen control group reaches an address that stands for a name, IPv${family}`;

/** Where traffic goes, and that it is answered, while the routes are up. Only of connected policies. */
export const splitAbilities: readonly Ability[] = [
  ...traffic.flatMap(({ name, isChosen }) =>
    families.flatMap((family) =>
      transports.flatMap((protocol): Ability[] => [
        {
          name: named(name, protocol, family, "through the tunnel"),
          expected: (policy) => isConnected(policy) && !goesBeside(policy, isChosen),
        },
        {
          name: named(name, protocol, family, "beside it"),
          expected: (policy) => goesBeside(policy, isChosen),
        },
        { name: answered(name, protocol, family), expected: isConnected },
      ]),
    ),
  ),
  ...families.flatMap((family): Ability[] => [
    {
      name: `${fromBehind}, IPv${family}`,
      expected: (policy) =>
        isConnected(policy) && endpointsOf(policy).some(({ protocol }) => protocol === "udp"),
    },
    {
      name: `${chosenToUpstream}, IPv${family}`,
      expected: (policy) => isConnected(policy) && hasUpstream(policy),
    },
    { name: groupToFake(family), expected: isConnected },
  ]),
  ...remakes.flatMap(({ name }) =>
    transports.flatMap((protocol): Ability[] => [
      {
        name: named(name, protocol, 4, "through the tunnel"),
        expected: (policy) => (splitOf(policy)?.cgroups.length ?? 0) > 0,
      },
      { name: named(name, protocol, 4, "beside it"), expected: never },
    ]),
  ),
  { name: toItself, expected: isConnected },
  { name: namesOf(53), expected: isOnly },
  { name: namesOf(853), expected: (policy) => isConnected(policy) && splitOf(policy)?.mode !== "all-but" },
  { name: resetOf, expected: (policy) => isConnected(policy) && splitOf(policy)?.mode !== "all-but" },
  { name: containerNames, expected: never },
];

/** What was sent, by the tags that it is told by. */
export interface SplitTrial {
  readonly names: readonly string[];
  readonly beside: ReadonlyMap<number, string>;
}

/** Sends it, while the routes are up. The frames of the segment that follows tell what went beside the tunnel. */
export async function sendSplitTrials(place: AbilityPlace, policy: Policy): Promise<SplitTrial> {
  const trial: OpenTrial = { names: [], beside: new Map() };
  await place.probers.daemon.seen();
  for (const family of families)
    for (const protocol of transports)
      for (const { name, sender, to } of traffic) {
        const flow = { family, protocol, port: 443, to: to[family] };
        const { through, error } = await sendTold(place, policy, trial, name, sender, flow);
        if (through) trial.names.push(named(name, protocol, family, "through the tunnel"));
        if (error === null) trial.names.push(answered(name, protocol, family));
      }
  for (const family of families) await sendMarked(place, trial, family);
  await sendRefused(place, trial);
  await sendFromRemade(place, policy, trial);
  return trial;
}

interface OpenTrial {
  readonly names: string[];
  readonly beside: Map<number, string>;
}

/** Sends one flow; that it went beside the tunnel is told by its tag. */
function sendTold(
  place: AbilityPlace,
  policy: Policy,
  { beside }: OpenTrial,
  name: string,
  sender: Sender,
  flow: Omit<Probe, "tag" | "protocol"> & { readonly protocol: Transport },
): ReturnType<typeof exchangeEitherWay> {
  const tag = place.nextTag();
  beside.set(tag, named(name, flow.protocol, flow.family, "beside it"));
  return exchangeEitherWay(place, sender, { ...flow, tag }, policy);
}

/** What a chosen user sends with our mark, and a chosen group to an address that stands for a name. */
async function sendMarked(place: AbilityPlace, { names, beside }: OpenTrial, family: Family): Promise<void> {
  const { nextTag } = place;
  const { root } = place.probers.by;
  const upstream = { family, mark: MARK, to: upstreamA[family], user: CHOSEN_USER } as const;
  const connecting = nextTag();
  beside.set(connecting, `${chosenToUpstream}, IPv${family}`);
  await root.exchange({ ...upstream, tag: connecting, protocol: "tcp", port: 443 }, PATIENCE_MS);
  const framed = nextTag();
  beside.set(framed, `${fromBehind}, IPv${family}`);
  await root.send([{ ...upstream, tag: framed, protocol: "raw", port: 1337, raw: dress(family) }], 1);
  const fake = { family, protocol: "tcp", port: 443, to: FAKE_ADDRESSES[family] } as const;
  await notingExchange(place, names)(groupToFake(family), "chosenGroup", fake);
}

/** What a chosen user sends to this machine itself, and asks of other resolvers than the tunnel's. */
async function sendRefused(place: AbilityPlace, { names }: OpenTrial): Promise<void> {
  const { probers, nextTag } = place;
  const exchange = notingExchange(place, names);
  const itself = { tag: nextTag(), family: 4, protocol: "tcp", port: 443, to: addresses.machine[4] } as const;
  await probers.by.chosenUser.exchange(itself, PATIENCE_MS);
  const accepted = (await probers.daemon.seen()).redirected.find(({ from }) => from === itself.tag);
  if (accepted?.at === itself.port) names.push(toItself);
  const resolver = { family: 4, to: elsewhere[4] } as const;
  for (const port of resolverPorts)
    await exchange(namesOf(port), "chosenUser", { ...resolver, protocol: "udp", port }, "ECONNREFUSED");
  await exchange(resetOf, "chosenUser", { ...resolver, protocol: "tcp", port: 853 }, "ECONNREFUSED");
  const dns = nextTag();
  const ofContainer = { tag: dns, family: 4, protocol: "udp", port: 853, to: chosenAddress[4] } as const;
  await probers.by.bridged.send([ofContainer], 5);
  if ((await probers.daemon.seen()).tags.includes(dns)) names.push(containerNames);
}

/** What a chosen group sends that has just been made again, while nobody looks after the rules. */
async function sendFromRemade(place: AbilityPlace, policy: Policy, trial: OpenTrial): Promise<void> {
  const { group } = place;
  if (group === null || splitOf(policy) === null) return;
  await place.unwatched(async () => {
    for (const { name, withAbove } of remakes) {
      group.remake(withAbove);
      for (const protocol of transports) {
        const flow = { family: 4, protocol, port: 443, to: elsewhere[4] } as const;
        const { through } = await sendTold(place, policy, trial, name, "chosenGroup", flow);
        if (through) trial.names.push(named(name, protocol, 4, "through the tunnel"));
      }
    }
  });
}

/** Reads from the frames outside what went beside the tunnel. */
export function splitAbilitiesIn(frames: readonly Seen[], trial: SplitTrial): string[] {
  const names = new Set(trial.names);
  for (const { ip } of frames) {
    const beside = trial.beside.get(ip?.sourcePort ?? 0);
    if (beside !== undefined && ip?.about === null) names.add(beside);
  }
  return [...names];
}

/** One exchange, which the far end of the tunnel answers where it comes out of the device. */
async function exchangeEitherWay(
  { probers, device }: AbilityPlace,
  sender: Sender,
  probe: Probe,
  policy: Policy,
): Promise<{ readonly through: boolean; readonly error: string | null }> {
  const { tag, family, to, port } = probe;
  let through = false;
  let over = false;
  const exchange = probers.by[sender].exchange(probe, PATIENCE_MS).finally(() => {
    over = true;
  });
  await eventually(async () => {
    const { tags, redirected } = await probers.daemon.seen();
    through ||= tags.includes(tag) || redirected.some(({ from }) => from === tag);
    return through || over;
  });
  if (through && probe.protocol === "udp") {
    // Where only some goes through, what is forwarded has this machine's address there.
    const isOwn = isOnly(policy) || (sender !== "bridged" && sender !== "linked");
    const own = family === 4 ? device.link.address4 : device.link.address6;
    await probers.daemon.intoTun({
      family,
      from: to,
      to: isOwn ? own : addresses[sender][family],
      port,
      tag,
    });
  }
  const { error } = await exchange;
  if (!through) through = (await probers.daemon.seen()).redirected.some(({ from }) => from === tag);
  return { through, error };
}

function dress(family: Family): NonNullable<Probe["raw"]> {
  return {
    link: physicalLink,
    source: addresses.machine[family],
    sourceMac: macs.machine,
    destinationMac: macs.outside,
    vlans: [],
    bypass: false,
    user: CHOSEN_USER,
  };
}
