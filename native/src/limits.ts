import { type Allowance, type AllowanceEvents, LocalAllowance } from "./allowance.ts";
import { carrierEngine } from "./engine/engine.ts";
import { LocalRate, type Rate } from "./rate.ts";

/**
 * An allowance for flows on every thread of this process; nothing is in it until something is added.
 * @param lowBelow bytes
 */
export function createAllowance(lowBelow: number, events: AllowanceEvents): Allowance {
  return carrierEngine()?.createAllowance(lowBelow, events) ?? new LocalAllowance(lowBelow, events);
}

/** A rate for flows on every thread of this process; null: no limit. */
export function createRate(bytesPerSecond: number | null): Rate {
  return carrierEngine()?.createRate(bytesPerSecond) ?? new LocalRate(bytesPerSecond);
}
