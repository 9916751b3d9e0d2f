import type { PairingRequest } from "./pairing-requests.ts";

/** The block that the terminal shows when a browser asks to be paired. */
export function pairingBlock({ name, words }: PairingRequest): string {
  return [
    "",
    `  ${name} asks to be paired with this companion.`,
    "  Its popup must show the same six words:",
    "",
    `      ${words.join("  ")}`,
    "",
    "  If it does, say so in the popup, or here: atlantic pair",
    "",
    "",
  ].join("\n");
}
