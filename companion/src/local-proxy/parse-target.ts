import type { Target } from "./open-flows.ts";

/** Reads the authority of a CONNECT (RFC 9110 §9.3.6): host and port, both wanted; `undefined` for anything else. */
export function parseTarget(authority: string): Target | undefined {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/?#@[\]]+)):(\d{1,5})$/.exec(authority) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host !== undefined && port >= 1 && port <= 65_535 ? { host: host.toLowerCase(), port } : undefined;
}
