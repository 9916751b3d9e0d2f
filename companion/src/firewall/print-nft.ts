import { type Endpoint, TABLE } from "./policy.ts";
import type {
  Act,
  Base,
  Chain,
  Egress,
  Family,
  Match,
  NamedSet,
  Rule,
  RuleSet,
  Table,
  Verdict,
} from "./rule-set.ts";

/** The family of the table that a rule is printed for. */
type Where = "inet" | "netdev";

/** A link whose outgoing frames are to be filtered. */
export interface FilteredLink {
  readonly name: string;
  /** Leads to containers or virtual machines of this one. */
  readonly internal: boolean;
}

/**
 * The rules as text for `nft -f`, which replaces what was there in one transaction: for early boot, for kernels before
 * 6.9, and for people.
 *
 * @param links those that are there now; what is plugged in later needs the text to be printed again
 */
export function printNft(rules: RuleSet, links: readonly FilteredLink[]): string {
  return [
    replaced(`inet ${rules.table}`, printTable(rules.inet, "inet")),
    replaced(`netdev ${rules.table}`, [
      ...printTable(rules.egress, "netdev"),
      ...printLinks(rules.egress, links),
    ]),
  ].join("\n");
}

/** Text for `nft -f` that takes the rules away, whether they are there or not. */
export function printNftOpen(): string {
  return ["inet", "netdev"].map((family) => dropped(`${family} ${TABLE}`)).join("");
}

// "destroy" is unknown to nft 1.0.6: a table that is added first can always be deleted.
function dropped(table: string): string {
  return `table ${table}\ndelete table ${table}\n`;
}

function replaced(table: string, body: readonly string[]): string {
  return `${dropped(table)}table ${table} {\n${body.join("\n")}\n}\n`;
}

function printTable(table: Table, where: Where): string[] {
  return [...table.sets.map(printSet), ...table.chains.map((chain) => printChain(chain, where))];
}

function printSet(set: NamedSet): string {
  // Without a holder that fills it, whatever is in the group above counts as chosen.
  if (set.holds === "groups-beside") return `  set ${set.name} { type cgroupsv2; }`;
  const address = set.family === 4 ? "ipv4_addr" : "ipv6_addr";
  const type =
    set.holds === "networks"
      ? `type ${address}; flags interval;`
      : `type ${address} . inet_proto . inet_service;`;
  const elements = set.holds === "networks" ? set.elements : set.elements.map(printEndpoint);
  const list = elements.length > 0 ? ` elements = { ${elements.join(", ")} }` : "";
  return `  set ${set.name} { ${type}${list} }`;
}

function printEndpoint({ address, protocol, port }: Endpoint): string {
  return `${address} . ${protocol} . ${port}`;
}

function printChain(chain: Chain, where: Where): string {
  const head = chain.base ? [`    ${printBase(chain.base)}`] : [];
  return block(`chain ${chain.name}`, [...head, ...chain.rules.map((rule) => printRule(rule, where))]);
}

function printBase({ type, hook, priority, policy }: Base): string {
  return `type ${type} hook ${hook} priority ${priority}; policy ${policy};`;
}

function printLinks(egress: Egress, links: readonly FilteredLink[]): string[] {
  return links.map((link) =>
    block(`chain ${linkChain(link)}`, [
      `    type filter hook egress device "${link.name}" priority 0; policy ${egress.policy};`,
      `    jump ${egress.chain}`,
      ...(link.internal ? egress.internal.map((rule) => printRule(rule, "netdev")) : []),
    ]),
  );
}

/** The name of a link's own chain: a chain's name is longer than a link's may be, but not as free. As the holder does it. */
export function linkChain({ name, internal }: FilteredLink): string {
  return `link_${Buffer.from(name).toString("hex")}${internal ? "_in" : ""}`;
}

function block(head: string, lines: readonly string[]): string {
  return `  ${head} {\n${lines.join("\n")}\n  }`;
}

function printRule(rule: Rule, where: Where): string {
  const words = [
    ...rule.matches.map((match) => printMatch(match, where)),
    ...rule.acts.map(printAct),
    printVerdict(rule.verdict),
    `comment "${rule.why}"`,
  ];
  return `    ${words.filter((word) => word !== "").join(" ")}`;
}

function printMatch(match: Match, where: Where): string {
  switch (match.is) {
    case "link":
      return `${match.way === "in" ? "iif" : "oif"} ${match.index}`;
    case "link-kind":
      return `meta iifkind "${match.kind}"`;
    case "mark":
      return `meta mark ${hex(match.mark)}`;
    case "flow-mark":
      return `ct mark ${hex(match.mark)}`;
    case "flow-state":
      return `ct state ${match.states.join(",")}`;
    case "reply":
      return "ct direction reply";
    case "family":
      return where === "inet" ? `meta nfproto ipv${match.family}` : `meta protocol ${ip(match.family)}`;
    case "protocol":
      return `meta l4proto ${match.protocol}`;
    case "port":
      return `th ${match.side === "source" ? "sport" : "dport"} ${match.not ? "!= " : ""}${match.port}`;
    case "network":
      return `${address(match)} ${match.not ? "!= " : ""}${match.network}`;
    case "in-networks":
      return `${address(match)} @${match.set}`;
    case "in-upstreams":
      return `${address(match)} . meta l4proto . th ${match.side === "source" ? "sport" : "dport"} @${match.set}`;
    case "icmp":
      return ["type", "code"]
        .map((part) => `${match.family === 4 ? "icmp" : "icmpv6"} ${part} ${match[part as "type" | "code"]}`)
        .join(" ");
    case "at-most":
      return `meta length <= ${match.bytes}`;
    case "frame-type":
      return `@ll,96,16 ${hex(match.type)}`;
    case "user":
      return `meta skuid ${match.uid}`;
    case "control-group":
      return `socket cgroupv2 level ${match.path.split("/").length} "${match.path}"`;
    case "group-not-in":
      return `socket cgroupv2 level ${match.level} != @${match.set}`;
    case "routed-to":
      return `fib daddr . mark oif ${match.index}`;
    case "back-by-its-link":
      return "fib saddr . mark . iif oif exists";
    case "rate":
      return `limit rate ${match.perSecond}/second burst ${match.burst} packets`;
  }
}

function address({
  family,
  side,
}: {
  readonly family: 4 | 6;
  readonly side: "source" | "destination";
}): string {
  return `${ip(family)} ${side === "source" ? "saddr" : "daddr"}`;
}

function ip(family: Family): string {
  return family === 4 ? "ip" : "ip6";
}

function printAct(act: Act): string {
  switch (act.do) {
    case "mark":
      return `meta mark set ${hex(act.mark)}`;
    case "flow-mark":
      return `ct mark set ${hex(act.mark)}`;
  }
}

function printVerdict(verdict: Verdict): string {
  switch (verdict.to) {
    case "accept":
    case "drop":
    case "return":
    case "masquerade":
      return verdict.to;
    case "go-on":
      return "";
    case "jump":
      return `jump ${verdict.chain}`;
    case "reset":
      return "reject with tcp reset";
    case "refuse":
      return "reject with icmpx type port-unreachable";
    case "redirect":
      return `redirect to :${verdict.port}`;
    case "lead":
      return `dnat ${ip(verdict.family)} to ${printSocket(verdict)}`;
  }
}

function printSocket({ family, address, port }: Extract<Verdict, { to: "lead" }>): string {
  return family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
