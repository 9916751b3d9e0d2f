import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { ProxyError } from "@atlantic/shared/errors.ts";
import {
  type AllowedRange,
  canonicalAddress,
  endsInNumber,
  isAllowed,
  isPublicAddress,
  parseAllowedRange,
} from "./address-rules.ts";
import { NameCache } from "./name-cache.ts";

/** What may be dialled besides public addresses, and what may not. */
export interface TargetRules {
  /** Ranges that are allowed although they are not public, as `address[/bits][:port]`. */
  readonly allow?: readonly string[];
  /** Names with an address of their own, as `echo.atlantic.test:80` → `127.0.0.1:4567`. They are allowed. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Ports of this machine where this product itself listens. The gateway adds its own. */
  readonly ownPorts?: readonly number[];
  /** Where our own exits on other machines take our flows, by name or address: nobody else may knock there. */
  readonly ownExits?: readonly { readonly host: string; readonly port: number }[];
  /** All addresses of a name; the same array for as long as they are the same. Default: a cache of its own. */
  readonly lookup?: (host: string) => readonly string[] | Promise<readonly string[]>;
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
  /** For each answer to a lookup the target of each port: an answer that is the same array was checked before. */
  #checkedAnswers = new WeakMap<readonly string[], Map<number, CheckedTarget>>();
  readonly #ownExits: ReadonlySet<string>;
  readonly #lookup: NonNullable<TargetRules["lookup"]>;

  /** @throws Error when the rules cannot be read */
  constructor(rules: TargetRules) {
    this.#allowed = (rules.allow ?? []).map(parseAllowedRange);
    this.#hosts = new Map(Object.entries(rules.hosts ?? {}).map(readHost));
    this.#ownPorts = new Set(rules.ownPorts);
    this.#ownExits = new Set(rules.ownExits?.map(({ host, port }) => `${host.toLowerCase()} ${port}`));
    const names = rules.lookup ? undefined : new NameCache();
    this.#lookup = rules.lookup ?? ((host) => names?.addressesOf(host) ?? []);
  }

  addOwnPort(port: number): void {
    this.#ownPorts.add(port);
    this.#checkedLiterals.clear();
    this.#checkedAnswers = new WeakMap();
  }

  /**
   * Resolves the target and checks every answer; at once for literal addresses and for names that are known.
   * @throws ProxyError `forbidden_port`, `forbidden_address` or `dns_error`
   */
  check(host: string, port: number): CheckedTarget | Promise<CheckedTarget> {
    const name = host.toLowerCase().replace(/\.$/, "");
    const listed = this.#hosts.get(`${name}:${port}`);
    if (listed) return listed;
    if (CLOSED_PORTS.has(port)) throw new ProxyError("forbidden_port");
    if (isIP(name) !== 0)
      return this.#checkedLiterals.get(`${name} ${port}`) ?? this.#checkLiteral(name, port);
    refuseStrangeName(name);
    if (this.#ownExits.has(`${name} ${port}`)) throw new ProxyError("forbidden_address");
    return this.#resolve(name, port);
  }

  #checkLiteral(address: string, port: number): CheckedTarget {
    const target = this.#checked(address, port, [address]);
    if (this.#checkedLiterals.size >= MAX_LITERALS) this.#checkedLiterals.clear();
    this.#checkedLiterals.set(`${address} ${port}`, target);
    return target;
  }

  #resolve(host: string, port: number): CheckedTarget | Promise<CheckedTarget> {
    try {
      const found = this.#lookup(host);
      if (!(found instanceof Promise)) return this.#checkAnswer(host, port, found);
      return found.then(
        (addresses) => this.#checkAnswer(host, port, addresses),
        (error) => Promise.reject(noAddress(error)),
      );
    } catch (error) {
      throw noAddress(error);
    }
  }

  #checkAnswer(host: string, port: number, addresses: readonly string[]): CheckedTarget {
    if (addresses.length === 0) throw new ProxyError("dns_error");
    const ports = this.#checkedAnswers.get(addresses);
    const known = ports?.get(port);
    if (known?.host === host) return known;
    const target = this.#checked(host, port, addresses);
    if (ports && ports.size < MAX_PORTS) ports.set(port, target);
    else this.#checkedAnswers.set(addresses, new Map([[port, target]]));
    return target;
  }

  /** One bad answer condemns the name: a client must not learn to reach it by trying again. */
  #checked(host: string, port: number, addresses: readonly string[]): CheckedTarget {
    for (const address of addresses) {
      if (this.#isOurs(address, port)) throw new ProxyError("forbidden_address");
      if (!isPublicAddress(address) && !isAllowed(address, port, this.#allowed)) {
        throw new ProxyError("forbidden_address");
      }
    }
    return { host, port, addresses, addressPort: port };
  }

  #isOurs(address: string, port: number): boolean {
    if (this.#ownPorts.has(port) && isOfThisMachine(address)) return true;
    return this.#ownExits.size > 0 && this.#ownExits.has(`${canonicalAddress(address) ?? address} ${port}`);
  }
}

const MAX_NAME = 253;
const MAX_PORTS = 64;

/** What is no name of the DNS is asked of no name server, and given to no upstream, who may read it in another way. */
function refuseStrangeName(name: string): void {
  if (endsInNumber(name)) {
    throw new ProxyError(
      "forbidden_address",
      "The address is in an unusual spelling. Write it as four numbers.",
    );
  }
  const labels = name.split(".");
  if (name.length > MAX_NAME || !labels.every((label) => /^[a-z0-9_-]{1,63}$/.test(label))) {
    throw new ProxyError("dns_error", "The target is no name of the DNS. Write other letters as xn--….");
  }
}

/** What the guard itself found is told as it is. */
function noAddress(error: unknown): ProxyError {
  return error instanceof ProxyError ? error : new ProxyError("dns_error", undefined, { cause: error });
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
