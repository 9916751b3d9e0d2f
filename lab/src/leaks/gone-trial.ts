import { type Ability, type AbilityPlace, hasUpstream, PATIENCE_MS } from "./abilities.ts";
import { families } from "./matrix.ts";
import { upstreamA } from "./phases.ts";

const upstream = (family: 4 | 6) => `TCP to the upstream while routes lead nowhere, IPv${family}`;
/** What must go on when the device is gone and the routes that led into it lead nowhere. */
export const goneAbilities: readonly Ability[] = [
  ...families.map((family) => ({ name: upstream(family), expected: hasUpstream })),
];

export async function goneTrial({ probers, nextTag }: AbilityPlace, mark: number): Promise<string[]> {
  const names: string[] = [];
  for (const family of families) {
    const probe = {
      tag: nextTag(),
      family,
      protocol: "tcp",
      port: 443,
      to: upstreamA[family],
      mark,
    } as const;
    if ((await probers.by.root.exchange(probe, PATIENCE_MS)).error === null) names.push(upstream(family));
  }
  return names;
}
