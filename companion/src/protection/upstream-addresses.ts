import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { dirname } from "node:path";
import { z } from "zod";
import type { ProtectedUpstreamConfig } from "./protection-config.ts";

const cacheSchema = z.record(z.string(), z.array(z.union([z.ipv4(), z.ipv6()])).min(1));

/** Asks beside the tunnel for the addresses of a name, in a way that shows it to nobody on the link. */
export type BootstrapLookup = (name: string) => Promise<readonly string[]>;

/**
 * Where upstreams are. The system's resolver is never asked: it is what the rules cut off. In this order: addresses in
 * the configuration, a host that is one, addresses found earlier (kept on disk), and a marked query to a bootstrap
 * server over HTTPS.
 */
export class UpstreamAddresses {
  readonly #path: string;
  readonly #lookup: BootstrapLookup;
  readonly #known: Map<string, readonly string[]>;

  constructor(path: string, lookup: BootstrapLookup) {
    this.#path = path;
    this.#lookup = lookup;
    this.#known = new Map(Object.entries(readCache(path)));
  }

  /** Those that are known now; none: `find` them. */
  of(upstream: ProtectedUpstreamConfig): readonly string[] {
    const { host, addresses } = upstream;
    if (addresses.length > 0) return addresses;
    return isIP(host) === 0 ? (this.#known.get(host) ?? []) : [host];
  }

  /**
   * Asks anew where that can be, and keeps what is answered.
   * @returns whether other addresses are known now than before
   */
  async find(upstream: ProtectedUpstreamConfig): Promise<boolean> {
    const { host, addresses } = upstream;
    if (addresses.length > 0 || isIP(host) !== 0) return false;
    const before = this.#known.get(host)?.join();
    const found = [...(await this.#lookup(host))].sort();
    if (found.length === 0 || found.join() === before) return false;
    this.#known.set(host, found);
    this.#keep();
    return true;
  }

  /** A cache that cannot be written is only missed after the next start. */
  #keep(): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      const beside = `${this.#path}.${process.pid}.new`;
      writeFileSync(beside, JSON.stringify(Object.fromEntries(this.#known)), { mode: 0o600 });
      renameSync(beside, this.#path);
    } catch {
      // They are known until then.
    }
  }
}

function readCache(path: string): z.infer<typeof cacheSchema> {
  try {
    return cacheSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    // Missing or damaged: the bootstrap servers are asked.
    return {};
  }
}
