import { lookup as systemLookup } from "node:dns/promises";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { ProxyError } from "@atlantic/shared/errors.ts";
import {
  type AllowedRange,
  canonicalAddress,
  isAllowed,
  isPublicAddress,
  parseAllowedRange,
} from "./address-rules.ts";

/** What may be dialled besides public addresses, and what may not. */
export interface TargetRules {
  /** Ranges that are allowed although they are not public, as `address[/bits][:port]`. */
  readonly allow?: readonly string[];
  /** Names with an address of their own, as `echo.atlantic.test:80` → `127.0.0.1:4567`. They are allowed. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Ports of this machine where this product itself listens. The gateway adds its own. */
  readonly ownPorts?: readonly number[];
  /** All addresses of a name. Default: the system's resolver. */
  readonly lookup?: (host: string) => Promise<readonly string[]>;
}

/** A target that may be dialled. Only these addresses were checked: nothing else may be dialled in its name. */
export interface CheckedTarget {
  /** As the client wrote it, lower-case, without brackets or a final dot. */
  readonly host: string;
  readonly port: number;
  /** At least one; where the host table names another port, that port goes with it. */
  readonly addresses: readonly string[];
  readonly addressPort: number;
}

/** Ports that are closed because mail is handed in there: abuse of others' exits. */
const CLOSED_PORTS: ReadonlySet<number> = new Set([25, 465, 587]);

const MAX_LITERALS = 10_000;

/** Checks targets before anything is dialled. */
export class TargetGuard {
  readonly #allowed: readonly AllowedRange[];
  readonly #hosts: ReadonlyMap<string, CheckedTarget>;
  readonly #ownPorts: Set<number>;
  /** Literal addresses that passed: the rules do not change, so their answer does not either. */
  readonly #checkedLiterals = new Map<string, CheckedTarget>();
  readonly #lookup: (host: string) => Promise<readonly string[]>;

  /** @throws Error when the rules cannot be read */
  constructor(rules: TargetRules) {
    this.#allowed = (rules.allow ?? []).map(parseAllowedRange);
    this.#hosts = new Map(Object.entries(rules.hosts ?? {}).map(readHost));
    this.#ownPorts = new Set(rules.ownPorts);
    this.#lookup = rules.lookup ?? allAddresses;
  }

  addOwnPort(port: number): void {
    this.#ownPorts.add(port);
    this.#checkedLiterals.clear();
  }

  /**
   * Resolves the target and checks every answer; a literal address is answered at once.
   * @throws ProxyError `forbidden_port`, `forbidden_address` or `dns_error`
   */
  check(host: string, port: number): CheckedTarget | Promise<CheckedTarget> {
    const name = host.toLowerCase().replace(/\.$/, "");
    const listed = this.#hosts.get(`${name}:${port}`);
    if (listed) return listed;
    if (CLOSED_PORTS.has(port)) throw new ProxyError("forbidden_port");
    if (isIP(name) === 0) return this.#resolve(name, port);
    return this.#checkedLiterals.get(`${name} ${port}`) ?? this.#checkLiteral(name, port);
  }

  #checkLiteral(address: string, port: number): CheckedTarget {
    const target = this.#checked(address, port, [address]);
    if (this.#checkedLiterals.size >= MAX_LITERALS) this.#checkedLiterals.clear();
    this.#checkedLiterals.set(`${address} ${port}`, target);
    return target;
  }

  async #resolve(host: string, port: number): Promise<CheckedTarget> {
    let addresses: readonly string[];
    try {
      addresses = await this.#lookup(host);
    } catch (error) {
      throw new ProxyError("dns_error", undefined, { cause: error });
    }
    if (addresses.length === 0) throw new ProxyError("dns_error");
    return this.#checked(host, port, addresses);
  }

  /** One bad answer condemns the name: a client must not learn to reach it by trying again. */
  #checked(host: string, port: number, addresses: readonly string[]): CheckedTarget {
    for (const address of addresses) {
      if (this.#ownPorts.has(port) && isOfThisMachine(address)) throw new ProxyError("forbidden_address");
      if (!isPublicAddress(address) && !isAllowed(address, port, this.#allowed)) {
        throw new ProxyError("forbidden_address");
      }
    }
    return { host, port, addresses, addressPort: port };
  }
}

async function allAddresses(host: string): Promise<readonly string[]> {
  const answers = await systemLookup(host, { all: true, order: "verbatim" });
  return answers.map(({ address }) => address);
}

function readHost([name, address]: [string, string]): [string, CheckedTarget] {
  const from = /^(.+):(\d+)$/.exec(name.toLowerCase());
  const to = /^(.+):(\d+)$/.exec(address);
  if (!from?.[1] || !to?.[1] || isIP(to[1]) === 0) {
    throw new Error(`The host table's "${name}" must be name:port and lead to address:port.`);
  }
  const [, host] = from;
  return [
    name.toLowerCase(),
    { host, port: Number(from[2]), addresses: [to[1]], addressPort: Number(to[2]) },
  ];
}

function isOfThisMachine(text: string): boolean {
  const address = canonicalAddress(text) ?? text;
  if (address.startsWith("127.") || address === "::1" || address === "0.0.0.0" || address === "::")
    return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === address));
}
