import { proxyErrors } from "@atlantic/shared/errors.ts";

/** How connections end besides the codes of the error table. */
const words = [
  "ended",
  "client_reset",
  "upstream_reset",
  "idle",
  "kept_alive",
  "disconnected",
  "credential_revoked",
  "credential_changed",
  "address_not_allowed",
  "decided_otherwise",
  "gateway_lost",
];

const known: ReadonlySet<string> = new Set([...words, ...Object.keys(proxyErrors)]);

/** An outcome as a label: one of a closed list, whatever is added elsewhere. */
export function outcomeLabel(outcome: string): string {
  return known.has(outcome) ? outcome : "other";
}
