import {
  type Ability,
  type AbilityPlace,
  always,
  eventually,
  hasUpstream,
  notingExchange,
  PATIENCE_MS,
} from "./abilities.ts";
import { elsewhere, type Sender } from "./compile.ts";
import { FAKE_ADDRESSES } from "./fake-addresses.ts";
import { addresses, physicalLink } from "./machine.ts";
import {
  endpointsOf,
  type Family,
  families,
  isClosed,
  resolverPorts,
  type Transport,
  transports,
} from "./matrix.ts";
import { upstreamA } from "./phases.ts";

const REFUSED = "ECONNREFUSED";
const refused = ["user", "bridged", "linked"] as const;
const loopback = { 4: "127.0.0.1", 6: "::1" } as const;

/** What flows are possible, and how the others end: with an answer, at once. */
export const flowAbilities: readonly Ability[] = [
  ...families.flatMap((family): Ability[] => [
    { name: `TCP to this machine itself, IPv${family}`, expected: always },
    { name: `UDP to this machine itself, IPv${family}`, expected: always },
    { name: `TCP to the upstream, IPv${family}`, expected: hasUpstream },
    {
      name: `UDP to the upstream, IPv${family}`,
      expected: (policy) => endpointsOf(policy).some(({ protocol }) => protocol === "udp"),
    },
    {
      name: `the upstream's path MTU is believed, IPv${family}`,
      expected: hasUpstream,
    },
    ...refused.flatMap((sender) =>
      (["TCP", "UDP"] as const).map((protocol) => ({
        name: `${protocol} of ${sender} is refused at once, IPv${family}`,
        expected: isClosed,
      })),
    ),
  ]),
  ...(["user", "bridged"] as const).flatMap((sender): Ability[] => [
    ...transports.flatMap((protocol) =>
      resolverPorts.map((port) => ({ name: neighboursResolver(sender, protocol, port), expected: isClosed })),
    ),
    { name: fakeRefused(sender), expected: isClosed },
  ]),
  { name: "TCP of before is reset", expected: isClosed },
  { name: "TCP of a container of before is reset", expected: isClosed },
];

function neighboursResolver(sender: Sender, protocol: Transport, port: number): string {
  return `${protocol} port ${port} of a neighbour is refused at once to ${sender}`;
}

function fakeRefused(sender: Sender): string {
  return `an address that stands for a name is refused at once to ${sender}`;
}

/** Tries flows while no route leads into the tunnel. */
export async function flowTrial(place: AbilityPlace, mark: number): Promise<string[]> {
  const names: string[] = [];
  const exchange = notingExchange(place, names);
  for (const family of families) {
    const ip = `IPv${family}`;
    const tcp = { family, protocol: "tcp", port: 443 } as const;
    const udp = { family, protocol: "udp", port: 1337 } as const;
    await exchange(`TCP to this machine itself, ${ip}`, "user", { ...tcp, to: loopback[family] });
    await exchange(`UDP to this machine itself, ${ip}`, "user", { ...udp, to: loopback[family] });
    await exchange(`TCP to the upstream, ${ip}`, "root", { ...tcp, to: upstreamA[family], mark });
    await exchange(`UDP to the upstream, ${ip}`, "root", { ...udp, to: upstreamA[family], mark });
    if (await believesMtu(place, family, mark)) names.push(`the upstream's path MTU is believed, ${ip}`);
    for (const sender of refused) {
      const to = { to: elsewhere[family] };
      await exchange(`TCP of ${sender} is refused at once, ${ip}`, sender, { ...tcp, ...to }, REFUSED);
      await exchange(`UDP of ${sender} is refused at once, ${ip}`, sender, { ...udp, ...to }, REFUSED);
    }
  }
  for (const sender of ["user", "bridged"] as const) {
    const neighbour = { family: 4, to: addresses.neighbour[4] } as const;
    for (const protocol of transports)
      for (const port of resolverPorts) {
        const name = neighboursResolver(sender, protocol, port);
        await exchange(name, sender, { ...neighbour, protocol, port }, REFUSED);
      }
    const device = sender === "user" ? { device: physicalLink } : {};
    const fake = { family: 6, protocol: "udp", port: 443, to: FAKE_ADDRESSES[6], ...device } as const;
    await exchange(fakeRefused(sender), sender, fake, REFUSED);
  }
  return names;
}

/** Whether the flows that were opened before, and sent on since, have ended. */
export async function fateTrial({ probers }: AbilityPlace): Promise<string[]> {
  const ended = async (sender: Sender) => {
    const fates = [...(await probers.by[sender].fate(PATIENCE_MS)).values()];
    return fates.length > 0 && fates.every((error) => error === "ECONNRESET");
  };
  const [own, container] = await Promise.all([ended("user"), ended("bridged")]);
  return [
    ...(own ? ["TCP of before is reset"] : []),
    ...(container ? ["TCP of a container of before is reset"] : []),
  ];
}

const MTU = 1400;

/** By TCP, which every state with an upstream allows, and from a router that is not in the local network. */
async function believesMtu(
  { machine, probers, nextTag }: AbilityPlace,
  family: Family,
  mark: number,
): Promise<boolean> {
  // What was believed before is believed for minutes.
  await machine.ip("machine", `-${family}`, "route", "flush", "cache");
  const { root, outside } = probers.by;
  const tag = nextTag();
  const [target, port] = [upstreamA[family], 443];
  const { error } = await root.exchange(
    { tag, family, protocol: "tcp", port, to: target, mark },
    PATIENCE_MS,
    true,
  );
  if (error !== null) return false;
  const [sender, router] = [addresses.machine[family], addresses.router[family]];
  const sequence = await root.sequence(tag);
  await outside.tooBig({ family, router, sender, target, tag, port, sequence, mtu: MTU });
  const believed = await eventually(async () => (await root.pathMtu(tag)) === MTU);
  await root.drop();
  return believed;
}
