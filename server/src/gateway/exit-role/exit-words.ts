import { isIP } from "node:net";

/** The field by which an exit proves to be ours. */
export const PROOF_FIELD = "X-Atlantic-Exit-Proof";

const ANY = "any";

/** The user name by which a gateway says where a flow is to leave: colons would end it (RFC 7617 §2). */
export function writeSource(from: string | null): string {
  return from === null ? ANY : from.replaceAll(":", "_");
}

/** @returns null for any address; undefined when it cannot be read */
export function readSource(text: string): string | null | undefined {
  if (text === ANY) return null;
  const address = text.replaceAll("_", ":");
  return isIP(address) === 0 || address.includes("%") ? undefined : address;
}
