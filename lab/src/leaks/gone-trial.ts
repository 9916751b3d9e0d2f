import { type Ability, type AbilityPlace, hasUpstream, notingExchange } from "./abilities.ts";
import { type Family, families } from "./matrix.ts";
import { upstreamA } from "./phases.ts";

const upstream = (family: Family) => `TCP to the upstream while routes lead nowhere, IPv${family}`;

/** What must go on when the device is gone and the routes that led into it lead nowhere. */
export const goneAbilities: readonly Ability[] = families.map((family) => ({
  name: upstream(family),
  expected: hasUpstream,
}));

export async function goneTrial(place: AbilityPlace, mark: number): Promise<string[]> {
  const names: string[] = [];
  const exchange = notingExchange(place, names);
  for (const family of families) {
    const probe = { family, protocol: "tcp", port: 443, to: upstreamA[family], mark } as const;
    await exchange(upstream(family), "root", probe);
  }
  return names;
}
