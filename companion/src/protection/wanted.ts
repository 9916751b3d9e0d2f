import { z } from "zod";

/** What the person wants of the machine's protection; it outlives crashes, reboots and upgrades. */
export const wantedSchema = z.object({
  /** Protected: traffic goes through an upstream, or nowhere. */
  connected: z.boolean(),
  /** Blocked instead of open whenever not connected. */
  lockdown: z.boolean(),
  /** Devices of the local network may be reached. */
  allowLan: z.boolean(),
});
export type Wanted = z.infer<typeof wantedSchema>;

/** As before the first connect: nothing is wanted of the machine. */
export const NOTHING_WANTED: Wanted = { connected: false, lockdown: false, allowLan: false };

/**
 * What a wish that cannot be read is taken for: the safest there is. The machine connects by itself, so that this needs
 * no hand, and is blocked whenever it is not connected.
 */
export const SAFEST_WANTED: Wanted = { connected: true, lockdown: true, allowLan: false };

/** Whether rules must stand from early boot on. */
export function isBlockedAtBoot({ connected, lockdown }: Wanted): boolean {
  return connected || lockdown;
}
