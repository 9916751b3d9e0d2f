import { ATTRIBUTION_HEADER } from "@atlantic/shared/control/attribution.ts";

/** Fields that concern one connection only (RFC 9110 §7.6.1, §11.7), and those that are ours. */
const ownHop = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  ATTRIBUTION_HEADER,
]);

/**
 * The fields that go on, in their order and spelling, as `rawHeaders` lists them: name, value, name, value.
 * `without` names more to leave out, in lower case.
 */
export function endToEndHeaders(rawHeaders: readonly string[], without: readonly string[] = []): string[] {
  const pairs = pairsOf(rawHeaders);
  const named = pairs
    .filter(([name]) => name.toLowerCase() === "connection")
    .flatMap(([, value]) => tokens(value));
  const dropped = new Set([...ownHop, ...named, ...without]);
  return pairs.filter(([name]) => !dropped.has(name.toLowerCase())).flat();
}

function pairsOf(rawHeaders: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    pairs.push([rawHeaders[index] ?? "", rawHeaders[index + 1] ?? ""]);
  }
  return pairs;
}

function tokens(value: string): string[] {
  return value.split(",").map((token) => token.trim().toLowerCase());
}
