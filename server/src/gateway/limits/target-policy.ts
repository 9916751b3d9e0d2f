import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { canonicalAddress } from "../address-rules.ts";

/** Which targets a credential may reach. Patterns are written as `readTargetPattern` and `readPortRange` take them. */
export interface TargetRules {
  /** null: every port. */
  readonly allowedPorts: readonly string[] | null;
  /** null: every target. */
  readonly allowedTargets: readonly string[] | null;
  /** These hold above what is allowed. */
  readonly blockedTargets: readonly string[];
}

export interface PatternProblem {
  readonly problem: string;
}

interface PortRange {
  readonly from: number;
  readonly to: number;
}

interface Pattern {
  readonly text: string;
  readonly host:
    | { readonly kind: "any" }
    | { readonly kind: "name"; readonly name: string }
    /** Everything below the name, not the name itself. */
    | { readonly kind: "below"; readonly suffix: string }
    | { readonly kind: "range"; readonly network: ipaddr.IPv4 | ipaddr.IPv6; readonly bits: number };
  readonly ports: PortRange | undefined;
}

const label = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?";
const namePattern = new RegExp(`^(\\*\\.)?(${label}\\.)*${label}$`);

/** Reads `443` or `8000-8999` into its one spelling. */
export function readPortRange(text: string): string | PatternProblem {
  const range = parsePorts(text.trim());
  if (range === undefined) {
    return { problem: `"${shown(text)}" is not a port. Write it as 443, or as a range: 8000-8999.` };
  }
  return range.from === range.to ? String(range.from) : `${range.from}-${range.to}`;
}

/**
 * Reads a target pattern into its one spelling: `example.com`, `*.example.com` (everything below it), `*`, an address or
 * a range in CIDR; each with a port or a range of ports behind a colon where only those are meant (brackets around IPv6).
 */
export function readTargetPattern(text: string): string | PatternProblem {
  return (
    parsePattern(text.trim())?.text ?? {
      problem: `"${shown(text)}" is not a target. Write it as example.com, *.example.com, 198.51.100.0/24 or example.com:443.`,
    }
  );
}

function parsePorts(text: string): PortRange | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from >= 1 && from <= to && to <= 65_535 ? { from, to } : undefined;
}

function parsePattern(written: string): Pattern | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)|([^[\]]*:[^[\]]*:[^[\]]*?))(?::(\d+(?:-\d+)?))?$/.exec(written);
  const host = (match?.[1] ?? match?.[2] ?? match?.[3])?.toLowerCase().replace(/\.$/, "");
  if (!match || !host || host.length > 253) return undefined;
  const ports = match[4] === undefined ? undefined : parsePorts(match[4]);
  if (match[4] !== undefined && ports === undefined) return undefined;
  const parsed = parseHost(host);
  if (parsed === undefined) return undefined;
  const bracketed = match[4] !== undefined && parsed.text.includes(":") ? `[${parsed.text}]` : parsed.text;
  return { text: match[4] === undefined ? bracketed : `${bracketed}:${match[4]}`, host: parsed.host, ports };
}

function parseHost(host: string): { text: string; host: Pattern["host"] } | undefined {
  if (host === "*") return { text: host, host: { kind: "any" } };
  if (host.includes(":") || host.includes("/") || isIP(host) !== 0) return parseRange(host);
  // What looks like an address and is none (010.1.1.1, 0x7f.1) must not pass for a name.
  if (!namePattern.test(host) || /(^|\.)(0x[0-9a-f]*|\d+)$/.test(host)) return undefined;
  return host.startsWith("*.")
    ? { text: host, host: { kind: "below", suffix: host.slice(1) } }
    : { text: host, host: { kind: "name", name: host } };
}

function parseRange(host: string): { text: string; host: Pattern["host"] } | undefined {
  if (host.includes("%")) return undefined;
  const [written = "", bitsText] = host.split("/");
  const address = canonicalAddress(written);
  if (
    address === undefined ||
    (bitsText !== undefined && address !== written && written.includes("::ffff"))
  ) {
    return undefined;
  }
  const cidr = `${address}/${bitsText ?? (address.includes(":") ? 128 : 32)}`;
  if (!ipaddr.isValidCIDR(cidr)) return undefined;
  const [network, bits] = ipaddr.parseCIDR(cidr);
  return { text: bitsText === undefined ? address : cidr, host: { kind: "range", network, bits } };
}

function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 60);
}

/** Decides whether a target may be reached. */
export class TargetPolicy {
  readonly #ports: readonly PortRange[] | null;
  readonly #allowed: readonly Pattern[] | null;
  readonly #blocked: readonly Pattern[];
  /** The rules in one text: two policies with the same text decide alike. */
  readonly rules: string;

  /** @throws Error when a rule cannot be read: whoever is not sure lets nothing through */
  constructor(rules: TargetRules) {
    this.rules = JSON.stringify([rules.allowedPorts, rules.allowedTargets, rules.blockedTargets]);
    this.#ports = rules.allowedPorts?.map((text) => parsePorts(text) ?? unreadable()) ?? null;
    this.#allowed = rules.allowedTargets?.map((text) => parsePattern(text) ?? unreadable()) ?? null;
    this.#blocked = rules.blockedTargets.map((text) => parsePattern(text) ?? unreadable());
  }

  /** Whether it lets everything through. */
  get isOpen(): boolean {
    return this.#ports === null && this.#allowed === null && this.#blocked.length === 0;
  }

  /** Whether the addresses of this host decide: it is a name, and there are rules about addresses. */
  needsAddresses(host: string): boolean {
    if (isIP(host) !== 0) return false;
    return [...(this.#allowed ?? []), ...this.#blocked].some((pattern) => pattern.host.kind === "range");
  }

  /**
   * Why a target may not be reached, for people; undefined when it may. Before its name is resolved only what its
   * addresses cannot change is refused.
   *
   * @param addresses what the target's name resolved to; undefined: it was not resolved yet
   */
  refusal(host: string, port: number, addresses?: readonly string[]): string | undefined {
    if (this.isOpen) return undefined;
    if (this.#ports !== null && !this.#ports.some((range) => within(port, range))) {
      return `Port ${port} is not one of the ports that this credential may reach.`;
    }
    const name = host
      .toLowerCase()
      .replace(/^\[|\]$/g, "")
      .replace(/\.$/, "");
    const known = isIP(name) === 0 ? addresses : [name];
    const blocked = this.#blocked.find((pattern) => touches(pattern, name, port, known ?? []));
    if (blocked) return `The target is blocked for this credential by "${blocked.text}".`;
    if (this.#allowed === null || this.#isAllowed(this.#allowed, name, port, known)) return undefined;
    return "The target is not one of those that this credential may reach.";
  }

  #isAllowed(
    allowed: readonly Pattern[],
    name: string,
    port: number,
    addresses: readonly string[] | undefined,
  ): boolean {
    const open = allowed.filter(({ ports }) => ports === undefined || within(port, ports));
    if (open.some((pattern) => namesIt(pattern, name))) return true;
    const ranges = open.filter(({ host }) => host.kind === "range");
    if (addresses === undefined) return ranges.length > 0;
    return (
      addresses.length > 0 && addresses.every((address) => ranges.some((range) => holds(range, address)))
    );
  }
}

function unreadable(): never {
  throw new Error("A target rule cannot be read.");
}

function within(port: number, { from, to }: PortRange): boolean {
  return port >= from && port <= to;
}

function touches(pattern: Pattern, name: string, port: number, addresses: readonly string[]): boolean {
  if (pattern.ports !== undefined && !within(port, pattern.ports)) return false;
  return namesIt(pattern, name) || addresses.some((address) => holds(pattern, address));
}

function namesIt({ host }: Pattern, name: string): boolean {
  if (host.kind === "any") return true;
  if (host.kind === "name") return host.name === name;
  return host.kind === "below" && name.endsWith(host.suffix) && name.length > host.suffix.length;
}

function holds({ host }: Pattern, text: string): boolean {
  if (host.kind !== "range") return false;
  const canonical = canonicalAddress(text);
  if (canonical === undefined) return false;
  const address = ipaddr.parse(canonical);
  return address.kind() === host.network.kind() && address.match(host.network, host.bits);
}
