import { ClearError } from "../clear-error.ts";

/** Reads `on` or `off`. @throws ClearError */
export function isOn(word: string): boolean {
  if (word === "on" || word === "off") return word === "on";
  throw new ClearError(`Say on or off, not "${word}".`);
}
