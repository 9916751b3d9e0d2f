import { LED_PORT, MARK } from "@atlantic/companion/src/firewall/policy.ts";
import {
  type Ability,
  type AbilityPlace,
  always,
  carriesAll,
  eventually,
  hasUpstream,
  never,
  notingExchange,
  PATIENCE_MS,
} from "./abilities.ts";
import { elsewhere, type Sender } from "./compile.ts";
import { FAKE_ADDRESS6 } from "./fake-addresses.ts";
import { addresses, physicalLink } from "./machine.ts";
import { endpointsOf, type Family, families, isClosed } from "./matrix.ts";
import { upstreamA } from "./phases.ts";
import type { Probe, Prober } from "./prober.ts";

const REFUSED = "ECONNREFUSED";
const refused = ["user", "bridged", "linked"] as const;
const resolverPorts = [53, 853] as const;
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
    ...(["tcp", "udp"] as const).flatMap((protocol) =>
      resolverPorts.map((port) => ({ name: neighboursResolver(sender, protocol, port), expected: isClosed })),
    ),
    { name: `an address that stands for a name is refused at once to ${sender}`, expected: isClosed },
  ]),
  { name: "TCP of before is reset", expected: isClosed },
  { name: "TCP of a container of before is reset", expected: isClosed },
];

function neighboursResolver(sender: Sender, protocol: "tcp" | "udp", port: number): string {
  return `${protocol} port ${port} of a neighbour is refused at once to ${sender}`;
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
    const to = { family: 4, to: addresses.neighbour[4] } as const;
    for (const protocol of ["tcp", "udp"] as const)
      for (const port of resolverPorts)
        await exchange(
          neighboursResolver(sender, protocol, port),
          sender,
          { ...to, protocol, port },
          REFUSED,
        );
    const device = sender === "user" ? { device: physicalLink } : {};
    const fake = { family: 6, protocol: "udp", port: 443, to: FAKE_ADDRESS6, ...device } as const;
    await exchange(
      `an address that stands for a name is refused at once to ${sender}`,
      sender,
      fake,
      REFUSED,
    );
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

const throughTunnel = ["user", "bridged", "linked"] as const;

/** What the tunnel carries, and what it must not. */
export const tunnelAbilities: readonly Ability[] = [
  ...families.flatMap((family): Ability[] => [
    ...throughTunnel.flatMap((sender): Ability[] => [
      { name: `UDP of ${sender} goes through the tunnel and back, IPv${family}`, expected: carriesAll },
      { name: `TCP of ${sender} is redirected, IPv${family}`, expected: carriesAll },
      ...(["tcp", "udp"] as const).flatMap((protocol) =>
        resolverPorts.map((port) => ({
          name: `${protocol} port ${port} of ${sender} goes into the tunnel, IPv${family}`,
          expected: never,
        })),
      ),
    ]),
    ...(["bridged", "linked"] as const).flatMap((sender) =>
      (["tcp", "udp"] as const).map((protocol) => ({
        name: `${sender} asks the resolver by ${protocol}, IPv${family}`,
        expected: carriesAll,
      })),
    ),
  ]),
  ...(["bridged", "linked"] as const).map((sender) => ({
    name: `TCP port 853 of ${sender} is refused at once`,
    expected: carriesAll,
  })),
  ...families.flatMap((family) =>
    (["tcp", "udp"] as const).map((protocol) => ({
      name: `names asked by ${protocol} of another server are led to the resolver, IPv${family}`,
      expected: carriesAll,
    })),
  ),
  { name: "names that our own ask are led to the resolver", expected: never },
  { name: "names asked of this machine are led to the resolver", expected: never },
  { name: "TCP of before goes into the tunnel", expected: never },
];

/** Tries the tunnel while all routes lead into it. */
export async function tunnelTrial(place: AbilityPlace, flowsBefore: readonly number[]): Promise<string[]> {
  const { probers, nextTag, device } = place;
  const { daemon } = probers;
  const names: string[] = [];
  const forbidden = new Map<number, string>(
    flowsBefore.map((tag) => [tag, "TCP of before goes into the tunnel"]),
  );
  await daemon.seen();
  await Promise.all([probers.by.user.resume(), probers.by.bridged.resume()]);
  for (const family of families) {
    for (const sender of throughTunnel) {
      const prober = probers.by[sender];
      const redirected = {
        tag: nextTag(),
        family,
        protocol: "tcp",
        port: 443,
        to: elsewhere[family],
      } as const;
      if ((await prober.exchange(redirected, PATIENCE_MS)).error === null)
        names.push(`TCP of ${sender} is redirected, IPv${family}`);
      const dns = (["tcp", "udp"] as const).flatMap((protocol) =>
        resolverPorts.map(
          (port): Probe => ({ tag: nextTag(), family, protocol, port, to: elsewhere[family] }),
        ),
      );
      for (const { tag, protocol, port } of dns)
        forbidden.set(tag, `${protocol} port ${port} of ${sender} goes into the tunnel, IPv${family}`);
      await prober.send(dns, 2);
      if (await comesBack(place, sender, family, forbidden, names))
        names.push(`UDP of ${sender} goes through the tunnel and back, IPv${family}`);
    }
    for (const sender of ["bridged", "linked"] as const) {
      for (const protocol of ["tcp", "udp"] as const) {
        const to = family === 4 ? device.link.dns4 : device.link.dns6;
        const asked = { tag: nextTag(), family, protocol, port: 53, to };
        if ((await probers.by[sender].exchange(asked, PATIENCE_MS)).error === null)
          names.push(`${sender} asks the resolver by ${protocol}, IPv${family}`);
      }
    }
  }
  for (const sender of ["bridged", "linked"] as const) {
    const probe = { tag: nextTag(), family: 4, protocol: "tcp", port: 853, to: elsewhere[4] } as const;
    if ((await probers.by[sender].exchange(probe, PATIENCE_MS)).error === REFUSED)
      names.push(`TCP port 853 of ${sender} is refused at once`);
  }
  return [...new Set([...names, ...(await ledNames(place))])];
}

/** Which questions for names come to the resolver, whoever was asked. TCP tells the port that it was accepted at. */
async function ledNames({ probers, nextTag }: AbilityPlace): Promise<string[]> {
  const { user, root } = probers.by;
  const names: string[] = [];
  const ask = async (by: Prober, protocol: "tcp" | "udp", family: Family, to: string, mark?: number) => {
    const tag = nextTag();
    const probe = { tag, family, protocol, port: 53, to, ...(mark !== undefined && { mark }) };
    await probers.daemon.seen();
    const { error } = await by.exchange(probe, PATIENCE_MS);
    const { redirected } = await probers.daemon.seen();
    const isLed = redirected.some(({ from, at }) => from === tag && at === LED_PORT);
    return protocol === "tcp" ? isLed : error === null;
  };
  for (const family of families)
    for (const protocol of ["tcp", "udp"] as const)
      if (await ask(user, protocol, family, elsewhere[family]))
        names.push(`names asked by ${protocol} of another server are led to the resolver, IPv${family}`);
  if (await ask(root, "tcp", 4, elsewhere[4], MARK))
    names.push("names that our own ask are led to the resolver");
  if (await ask(user, "tcp", 4, loopback[4]))
    names.push("names asked of this machine are led to the resolver");
  return names;
}

/** One UDP exchange through the device, whose far end answers. Names on the way what else came out of it. */
async function comesBack(
  { probers, device, nextTag }: AbilityPlace,
  sender: (typeof throughTunnel)[number],
  family: Family,
  forbidden: ReadonlyMap<number, string>,
  names: string[],
): Promise<boolean> {
  const { daemon } = probers;
  const tag = nextTag();
  const probe: Probe = { tag, family, protocol: "udp", port: 443, to: elsewhere[family] };
  const own = family === 4 ? device.link.address4 : device.link.address6;
  const to = sender === "user" ? own : addresses[sender][family];
  const exchange = probers.by[sender].exchange(probe, PATIENCE_MS);
  const arrived = await eventually(async () => {
    const { tags } = await daemon.seen();
    names.push(...tags.flatMap((each) => forbidden.get(each) ?? []));
    return tags.includes(tag);
  });
  if (arrived) await daemon.intoTun({ family, from: elsewhere[family], to, port: 443, tag });
  return (await exchange).error === null;
}
