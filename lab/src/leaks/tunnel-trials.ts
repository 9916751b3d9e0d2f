import { LED_PORT, MARK } from "@atlantic/companion/src/firewall/policy.ts";
import {
  type Ability,
  type AbilityPlace,
  carriesAll,
  eventually,
  never,
  notingExchange,
  PATIENCE_MS,
} from "./abilities.ts";
import { elsewhere } from "./compile.ts";
import { addresses } from "./machine.ts";
import { type Family, families, resolverPorts, type Transport, transports } from "./matrix.ts";
import type { Probe, Prober } from "./prober.ts";

const containers = ["bridged", "linked"] as const;
const throughTunnel = ["user", ...containers] as const;

/** What the tunnel carries, and what it must not. */
export const tunnelAbilities: readonly Ability[] = [
  ...families.flatMap((family): Ability[] => [
    ...throughTunnel.flatMap((sender): Ability[] => [
      { name: `UDP of ${sender} goes through the tunnel and back, IPv${family}`, expected: carriesAll },
      { name: `TCP of ${sender} is redirected, IPv${family}`, expected: carriesAll },
      ...transports.flatMap((protocol) =>
        resolverPorts.map((port) => ({
          name: `${protocol} port ${port} of ${sender} goes into the tunnel, IPv${family}`,
          expected: never,
        })),
      ),
    ]),
    ...containers.flatMap((sender) =>
      transports.map((protocol) => ({
        name: `${sender} asks the resolver by ${protocol}, IPv${family}`,
        expected: carriesAll,
      })),
    ),
  ]),
  ...containers.map((sender) => ({
    name: `TCP port 853 of ${sender} is refused at once`,
    expected: carriesAll,
  })),
  ...families.flatMap((family) =>
    transports.map((protocol) => ({
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
  const names: string[] = [];
  const exchange = notingExchange(place, names);
  const forbidden = new Map(flowsBefore.map((tag) => [tag, "TCP of before goes into the tunnel"]));
  await probers.daemon.seen();
  await Promise.all([probers.by.user.resume(), probers.by.bridged.resume()]);
  for (const family of families) {
    const to = elsewhere[family];
    for (const sender of throughTunnel) {
      const redirected = { family, protocol: "tcp", port: 443, to } as const;
      await exchange(`TCP of ${sender} is redirected, IPv${family}`, sender, redirected);
      const dns = transports.flatMap((protocol) =>
        resolverPorts.map((port): Probe => ({ tag: nextTag(), family, protocol, port, to })),
      );
      for (const { tag, protocol, port } of dns)
        forbidden.set(tag, `${protocol} port ${port} of ${sender} goes into the tunnel, IPv${family}`);
      await probers.by[sender].send(dns, 2);
      if (await comesBack(place, sender, family, forbidden, names))
        names.push(`UDP of ${sender} goes through the tunnel and back, IPv${family}`);
    }
    const resolver = family === 4 ? device.link.dns4 : device.link.dns6;
    for (const sender of containers)
      for (const protocol of transports) {
        const asked = { family, protocol, port: 53, to: resolver };
        await exchange(`${sender} asks the resolver by ${protocol}, IPv${family}`, sender, asked);
      }
  }
  const overTls = { family: 4, protocol: "tcp", port: 853, to: elsewhere[4] } as const;
  for (const sender of containers)
    await exchange(`TCP port 853 of ${sender} is refused at once`, sender, overTls, "ECONNREFUSED");
  return [...new Set([...names, ...(await ledNames(place))])];
}

/** Which questions for names come to the resolver, whoever was asked. TCP tells the port that it was accepted at. */
async function ledNames({ probers, nextTag }: AbilityPlace): Promise<string[]> {
  const { user, root } = probers.by;
  const names: string[] = [];
  const ask = async (by: Prober, protocol: Transport, family: Family, to: string, mark?: number) => {
    const tag = nextTag();
    const probe = { tag, family, protocol, port: 53, to, ...(mark !== undefined && { mark }) };
    await probers.daemon.seen();
    const { error } = await by.exchange(probe, PATIENCE_MS);
    const { redirected } = await probers.daemon.seen();
    const isLed = redirected.some(({ from, at }) => from === tag && at === LED_PORT);
    return protocol === "tcp" ? isLed : error === null;
  };
  for (const family of families)
    for (const protocol of transports)
      if (await ask(user, protocol, family, elsewhere[family]))
        names.push(`names asked by ${protocol} of another server are led to the resolver, IPv${family}`);
  if (await ask(root, "tcp", 4, elsewhere[4], MARK))
    names.push("names that our own ask are led to the resolver");
  if (await ask(user, "tcp", 4, "127.0.0.1"))
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
