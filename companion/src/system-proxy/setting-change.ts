import { z } from "zod";
import type { DesktopValues } from "./desktop-store.ts";

/** One value that was changed: what stood there, and what was put in its place. Null: not set. */
export const settingChangeSchema = z.object({
  name: z.string(),
  before: z.string().nullable(),
  written: z.string().nullable(),
});
export type SettingChange = z.infer<typeof settingChangeSchema>;

/** The changes that lead from what stands there to what is wanted, in the order in which they are to be made. */
export function changesTo(wanted: DesktopValues, now: DesktopValues): SettingChange[] {
  return [...wanted]
    .map(([name, written]) => ({ name, before: now.get(name) ?? null, written }))
    .filter(({ before, written }) => before !== written);
}

/** Values to write. */
export function valuesOf(changes: readonly SettingChange[]): DesktopValues {
  return new Map(changes.map(({ name, written }) => [name, written]));
}

export interface Restoration {
  /** What to write, in the reverse of the order in which it was changed. */
  readonly values: DesktopValues;
  /** Names of values that are neither what was there nor what was written: somebody else's, which stay. */
  readonly left: readonly string[];
}

/** How to put back what was there, given what stands there now. */
export function restorationOf(changes: readonly SettingChange[], now: DesktopValues): Restoration {
  const values = new Map<string, string | null>();
  const left: string[] = [];
  for (const { name, before, written } of changes.toReversed()) {
    const current = now.get(name) ?? null;
    if (current === written) values.set(name, before);
    else if (current !== before) left.push(name);
  }
  return { values, left };
}
