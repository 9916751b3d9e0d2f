import { MARK } from "../policy.ts";
import { hasPorts, type Packet } from "./packet.ts";
import { withinNetwork } from "./within-network.ts";

/**
 * What pf makes of a packet, from the printed text alone: the first "quick" rule that matches decides, and what belongs
 * to a state passes (pf.conf(5)). States of before are killed when rules are loaded, so an outgoing packet has none.
 */
export function simulatePf(
  text: string,
  packet: Packet,
  links: ReadonlyMap<number, string>,
  user: string,
): Verdict {
  const isKnown = packet.path === "input" && packet.reply && packet.flow === "established";
  if (isKnown && decide(text, backwards(packet), links, user) === "pass") return "pass";
  return decide(text, packet, links, user);
}

type Verdict = "pass" | "block drop" | "block return" | "block return-rst";

function decide(text: string, packet: Packet, links: ReadonlyMap<number, string>, user: string): Verdict {
  for (const line of text.split("\n")) {
    const rule = line.replace(/#.*/, "").trim();
    if (rule !== "" && matches(rule, packet, links, user)) return verdictOf(rule);
  }
  // pf itself passes what no rule is for.
  return "pass";
}

function verdictOf(rule: string): Verdict {
  const found = (["pass", "block drop", "block return-rst", "block return"] as const).find((each) =>
    rule.startsWith(`${each} `),
  );
  if (!found) throw new Error(`pf knows no such rule: ${rule}`);
  return found;
}

const GRAMMAR =
  /^(?:pass|block drop|block return-rst|block return) (?<way>in|out) quick(?: on (?<link>\S+))?(?: (?<family>inet6?))?(?: proto (?<protocol>\S+))?(?: all| from (?<from>.+?) to (?<to>.+?))?(?: user (?<user>\S+))?(?: icmp6?-type (?<type>\d+) code (?<code>\d+))?(?: keep state)?$/;

function matches(rule: string, packet: Packet, links: ReadonlyMap<number, string>, user: string): boolean {
  const parts = GRAMMAR.exec(rule)?.groups;
  if (!parts) throw new Error(`pf knows no such rule: ${rule}`);
  const way = packet.path === "input" ? "in" : "out";
  const link = way === "in" ? packet.into : packet.out;
  const { protocol } = packet;
  return (
    parts.way === way &&
    isOr(parts.link, link.loopback ? "lo0" : (links.get(link.index) ?? `link${link.index}`)) &&
    isOr(parts.family, packet.family === 4 ? "inet" : "inet6") &&
    isOr(parts.protocol, protocol === "icmpv6" ? "ipv6-icmp" : protocol) &&
    endMatches(parts.from, packet.source, packet.sourcePort, packet) &&
    endMatches(parts.to, packet.destination, packet.destinationPort, packet) &&
    isOr(parts.user, packet.mark === MARK ? user : "somebody") &&
    isOr(parts.type, `${packet.icmpType}`) &&
    isOr(parts.code, `${packet.icmpCode}`)
  );
}

function isOr(wanted: string | undefined, found: string): boolean {
  return wanted === undefined || wanted === found;
}

function endMatches(end: string | undefined, address: string, port: number, { protocol }: Packet): boolean {
  if (end === undefined) return true;
  const [where = "", wantedPort] = end.split(" port ");
  if (wantedPort !== undefined && (!hasPorts(protocol) || Number(wantedPort) !== port)) return false;
  if (where === "any") return true;
  if (where.startsWith("! ")) return !withinNetwork(address, where.slice(2));
  return where
    .replaceAll(/[{}\s]/g, "")
    .split(",")
    .some((network) => withinNetwork(address, network));
}

/** The packet that made the state of an answer. */
function backwards(packet: Packet): Packet {
  const { source, destination, sourcePort, destinationPort, into, flowMark } = packet;
  return {
    ...packet,
    path: "output",
    out: into,
    source: destination,
    destination: source,
    sourcePort: destinationPort,
    destinationPort: sourcePort,
    mark: flowMark,
    reply: false,
    flow: "new",
  };
}
