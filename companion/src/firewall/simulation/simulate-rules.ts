import { ANSWER_MARK, DIRECT_MARK, TUNNEL_MARK } from "../policy.ts";
import {
  type Base,
  type Chain,
  LOOPBACK_INDEX,
  type Match,
  type NamedSet,
  type Rule,
  type RuleSet,
  type Side,
  type Table,
} from "../rule-set.ts";
import { hasPorts, type Packet, type SimulatedLink } from "./packet.ts";
import { withinNetwork } from "./within-network.ts";

/** What becomes of a packet. */
export interface Outcome {
  readonly verdict: "accept" | "drop" | "reset" | "refuse";
  /** The link that it leaves by; null where it is taken by this machine itself, or goes nowhere. */
  readonly leaves: SimulatedLink | null;
  /** The port of this machine that it was redirected to. */
  readonly redirected: number | null;
  /** The address of this machine, and the port, that it was led to. */
  readonly led: string | null;
  readonly masqueraded: boolean;
  readonly mark: number;
  readonly flowMark: number;
}

/** Where packets go that the rules mark for another way. */
export interface SimulatedRoutes {
  readonly physical: SimulatedLink;
  readonly tunnel: SimulatedLink;
  readonly containers: SimulatedLink;
}

/** Walks a packet through the rules as nf_tables does: hooks in their order, chains of a hook by priority. */
export function simulateRules(rules: RuleSet, packet: Packet, routes: SimulatedRoutes): Outcome {
  return new Walk(rules, packet, routes).outcome();
}

type Ending = "accept" | "drop" | "reset" | "refuse";

class Walk {
  readonly #rules: RuleSet;
  readonly #routes: SimulatedRoutes;
  #packet: Packet;
  #redirected: number | null = null;
  #led: string | null = null;
  #masqueraded = false;
  /** Where it was turned to. The chains of the hook that turned it are still told the link of before. */
  #turned: SimulatedLink | null = null;
  /** Only where links are filtered: the frame's header counts, and a hook's family is not known. */
  #inEgress = false;

  constructor(rules: RuleSet, packet: Packet, routes: SimulatedRoutes) {
    this.#rules = rules;
    this.#packet = packet;
    this.#routes = routes;
  }

  outcome(): Outcome {
    const verdict = this.#journey();
    const { path, mark, flowMark, out } = this.#packet;
    const leaves = verdict === "accept" && path !== "input" ? out : null;
    const [redirected, led, masqueraded] = [this.#redirected, this.#led, this.#masqueraded];
    return { verdict, leaves, redirected, led, masqueraded, mark, flowMark };
  }

  #journey(): Ending {
    const { path } = this.#packet;
    if (path === "frame") return this.#egress();
    const first = path === "output" ? "output" : "prerouting";
    const early = this.#hook(first);
    if (early !== "accept") return early;
    if (this.#turned) this.#packet = { ...this.#packet, out: this.#turned };
    if (this.#redirected !== null && path !== "output") this.#packet = { ...this.#packet, path: "input" };
    if (this.#packet.path === "input") return this.#hook("input");
    if (path === "forward") {
      const verdict = this.#hook("forward");
      if (verdict !== "accept") return verdict;
    }
    const late = this.#hook("postrouting");
    return late === "accept" ? this.#egress() : late;
  }

  #hook(hook: Base["hook"]): Ending {
    const chains = this.#rules.inet.chains
      .filter((chain): chain is Chain & { base: Base } => chain.base?.hook === hook)
      .sort((one, other) => one.base.priority - other.base.priority);
    for (const chain of chains) {
      // Addresses are translated by the first packet of a flow alone, and once.
      if (chain.base.type === "nat" && (this.#packet.flow !== "new" || this.#led !== null)) continue;
      const { path, mark: before } = this.#packet;
      const ending = this.#chain(chain, this.#rules.inet) ?? chain.base.policy;
      if (ending !== "accept") return ending;
      const isBeforeRouting = chain.base.type === "route" || (hook === "prerouting" && path === "forward");
      if (isBeforeRouting && this.#packet.mark !== before) this.#route();
    }
    return "accept";
  }

  #route(): void {
    const { mark, out } = this.#packet;
    const { physical, tunnel, containers } = this.#routes;
    if (out.loopback) return;
    if (mark === DIRECT_MARK) this.#turned = physical;
    if (mark === ANSWER_MARK) this.#turned = containers;
    if (mark === TUNNEL_MARK) this.#turned = tunnel;
  }

  #egress(): Ending {
    const { out } = this.#packet;
    const { egress } = this.#rules;
    if (out.loopback || out.index === egress.spared) return "accept";
    this.#inEgress = true;
    const shared = egress.chains.find(({ name }) => name === egress.chain);
    const internal = out.kind === "bridge" || out.kind === "veth";
    const ending =
      (shared && this.#chain(shared, egress)) ??
      (internal ? this.#chain({ name: "internal", base: null, rules: egress.internal }, egress) : null);
    return ending ?? egress.policy;
  }

  /** @returns null where the chain comes to its end, or returns */
  #chain(chain: Chain, table: Table): Ending | null {
    for (const rule of chain.rules) {
      if (!rule.matches.every((match) => this.#holds(match, table))) continue;
      const ending = this.#obey(rule, table);
      if (ending === "return") return null;
      if (ending !== null) return ending;
    }
    return null;
  }

  #obey({ acts, verdict }: Rule, table: Table): Ending | "return" | null {
    for (const act of acts)
      this.#packet = { ...this.#packet, [act.do === "mark" ? "mark" : "flowMark"]: act.mark };
    switch (verdict.to) {
      case "accept":
      case "drop":
      case "reset":
      case "refuse":
      case "return":
        return verdict.to;
      case "go-on":
        return null;
      case "jump": {
        const chain = table.chains.find(({ name }) => name === verdict.chain);
        if (!chain) throw new Error(`There is no chain ${verdict.chain}.`);
        return this.#chain(chain, table);
      }
      case "redirect":
        this.#redirected = verdict.port;
        if (this.#packet.path === "output") {
          this.#turned = LOOPBACK;
          this.#packet = { ...this.#packet, destination: LOCAL[this.#packet.family] };
        }
        this.#packet = { ...this.#packet, destinationPort: verdict.port };
        return "accept";
      case "lead":
        this.#led = `${verdict.address} ${verdict.port}`;
        this.#turned = LOOPBACK;
        this.#packet = { ...this.#packet, destination: verdict.address, destinationPort: verdict.port };
        return "accept";
      case "masquerade":
        this.#masqueraded = true;
        return "accept";
    }
  }

  #holds(match: Match, table: Table): boolean {
    const packet = this.#packet;
    switch (match.is) {
      case "link":
        return this.#link(match.way)?.index === match.index;
      case "link-kind":
        return this.#link("in")?.kind === match.kind;
      case "mark":
        return packet.mark === match.mark;
      case "flow-mark":
        return packet.flowMark === match.mark;
      case "flow-state":
        return match.states.includes(packet.flow);
      case "reply":
        return packet.reply;
      case "family":
        return packet.family === match.family && this.#isIp();
      case "protocol":
        return packet.protocol === match.protocol && this.#isIp();
      case "port":
        return hasPorts(packet.protocol) && (port(packet, match.side) === match.port) !== match.not;
      case "network":
        return withinNetwork(address(packet, match.side), match.network) !== match.not;
      case "in-networks":
        return elements(table, match.set, "networks").some((each) =>
          withinNetwork(address(packet, match.side), each),
        );
      case "in-upstreams":
        return elements(table, match.set, "upstreams").some(
          (each) =>
            hasPorts(packet.protocol) &&
            each.address === address(packet, match.side) &&
            each.protocol === packet.protocol &&
            each.port === port(packet, match.side),
        );
      case "icmp":
        return packet.icmpType === match.type && packet.icmpCode === match.code;
      case "at-most":
        return packet.bytes + (this.#inEgress ? 14 : 0) <= match.bytes;
      case "frame-type":
        return this.#frameType() === match.type;
      case "user":
        return packet.path !== "forward" && packet.user === match.uid;
      case "control-group":
        return groupAt(packet, match.path.split("/").length)?.known === match.path;
      case "group-not-in": {
        const group = groupAt(packet, match.level);
        return group !== undefined && !isBeside(group, table, match.set);
      }
      case "routed-to":
        return packet.path === "forward" && packet.out.index === match.index;
      case "back-by-its-link":
        return !packet.spoofed;
      case "rate":
        return !packet.flood;
    }
  }

  #link(way: "in" | "out"): SimulatedLink | null {
    const { path, into, out } = this.#packet;
    if (way === "in") return path === "input" || path === "forward" ? into : null;
    return path === "input" ? null : out;
  }

  #frameType(): number {
    return this.#packet.frameType ?? (this.#packet.family === 4 ? 0x0800 : 0x86dd);
  }

  #isIp(): boolean {
    return [0x0800, 0x86dd].includes(this.#frameType());
  }
}

const LOOPBACK: SimulatedLink = { index: LOOPBACK_INDEX, loopback: true };
const LOCAL = { 4: "127.0.0.1", 6: "::1" } as const;

function address(packet: Packet, side: Side): string {
  return side === "source" ? packet.source : packet.destination;
}

function port(packet: Packet, side: Side): number {
  return side === "source" ? packet.sourcePort : packet.destinationPort;
}

/** The sender's control group, or the one above it that is at this level; null as one that nobody knows. */
function groupAt({ path, controlGroup, newGroup }: Packet, level: number) {
  const parts = path === "output" ? (controlGroup?.split("/") ?? []) : [];
  if (parts.length < level) return undefined;
  return { known: newGroup && parts.length === level ? null : parts.slice(0, level).join("/") };
}

function isBeside({ known }: { readonly known: string | null }, table: Table, name: string): boolean {
  const set = table.sets.find((each) => each.name === name);
  if (set?.holds !== "groups-beside") throw new Error(`There is no set of groups ${name}.`);
  const above = (path: string) => path.split("/").slice(0, -1).join("/");
  return known !== null && above(known) === above(set.path) && (set.itself || known !== set.path);
}

type ListedSet = Exclude<NamedSet, { readonly holds: "groups-beside" }>;

function elements<Kind extends ListedSet["holds"]>(table: Table, name: string, holds: Kind) {
  type Wanted = Extract<ListedSet, { readonly holds: Kind }>;
  const set = table.sets.find((each): each is Wanted => each.name === name && each.holds === holds);
  if (!set) throw new Error(`There is no set ${name}.`);
  return set.elements as Wanted["elements"];
}
