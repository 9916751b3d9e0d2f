import { FirewallError } from "./firewall-error.ts";
import { type AddressTest, type FlatRule, flatRules } from "./flat-rules.ts";
import { LOOPBACK_INDEX, type RuleSet } from "./rule-set.ts";

export interface PfNames {
  /** The user that the daemon runs as: pf knows no mark, and this is what tells its packets from others. */
  readonly user: string;
  /** Names of links by their index; loopback is lo0. */
  readonly links: ReadonlyMap<number, string>;
}

/**
 * The rules as text of an anchor for pf (macOS, pf.conf(5)), to be loaded whole by `pfctl -a com.atlantic -f -`.
 * Kill the states after it is loaded, except those of upstreams: pf lets packets of a known state pass by all rules.
 * Compiled and simulated, not run on a real host.
 *
 * @throws FirewallError where pf cannot keep the policy
 */
export function printPf(rules: RuleSet, names: PfNames): string {
  const lines = flatRules(rules).map((rule) => `${printRule(rule, names)} # ${rule.why}`);
  return `${lines.join("\n")}\nblock drop out quick all\nblock drop in quick all\n`;
}

function printRule(rule: FlatRule, { links, user }: PfNames): string {
  const { way, link, ours, family, protocol, icmp, verdict } = rule;
  const words = [
    action(verdict),
    way,
    "quick",
    link !== null && `on ${nameOf(link, links)}`,
    family !== null && (family === 4 ? "inet" : "inet6"),
    protocol !== null && `proto ${protocol === "icmpv6" ? "ipv6-icmp" : protocol}`,
    "from",
    end(rule.source, rule.sourcePort),
    "to",
    end(rule.destination, rule.destinationPort),
    ours && `user ${user}`,
    icmp !== null && `${family === 6 ? "icmp6-type" : "icmp-type"} ${icmp.type} code ${icmp.code}`,
    verdict === "accept" && "keep state",
  ];
  return words.filter((word) => word !== false).join(" ");
}

function action(verdict: FlatRule["verdict"]): string {
  switch (verdict) {
    case "accept":
      return "pass";
    case "drop":
      return "block drop";
    case "reset":
      return "block return-rst";
    // For each family its own ICMP, port unreachable.
    case "refuse":
      return "block return";
  }
}

function end(addresses: AddressTest | null, port: number | null): string {
  const list = addresses ? `{ ${addresses.networks.join(", ")} }` : "any";
  // A list that is negated would be one rule for each of its members: each true for what is in another.
  if (addresses?.not && addresses.networks.length > 1)
    throw new FirewallError("pf cannot negate a list of networks: nothing was changed.");
  return `${addresses?.not ? `! ${addresses.networks[0]}` : list}${port === null ? "" : ` port ${port}`}`;
}

function nameOf(index: number, links: ReadonlyMap<number, string>): string {
  const name = index === LOOPBACK_INDEX ? "lo0" : links.get(index);
  if (name === undefined)
    throw new FirewallError(`There is no link with the index ${index}: nothing was changed.`);
  return name;
}
