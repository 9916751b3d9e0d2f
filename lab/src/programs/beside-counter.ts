import type { Endpoint } from "@atlantic/companion/src/firewall/policy.ts";
import { z } from "zod";
import type { Machine } from "../leaks/machine.ts";
import { must } from "../net/run.ts";

const TABLE = "lab_beside";

const rulesetSchema = z.object({
  nftables: z.array(
    z.looseObject({ counter: z.looseObject({ name: z.string(), packets: z.number() }).optional() }),
  ),
});

/**
 * Counts outside, in the kernel and so whole at any rate, packets of the machine's that are neither for an upstream
 * nor part of finding neighbours.
 */
export class BesideCounter {
  readonly #machine: Machine;

  private constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Counts everything until upstreams are known. */
  static async start(machine: Machine): Promise<BesideCounter> {
    const counter = new BesideCounter(machine);
    await counter.watch([]);
    return counter;
  }

  /** From now on counts what is not for these; begins at none. */
  async watch(upstreams: readonly Endpoint[]): Promise<void> {
    const allowed = upstreams.map(({ address, port }) => `ip daddr ${address} tcp dport ${port} return`);
    const neighbours = "nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report";
    const input = `
      table inet ${TABLE} {}
      delete table inet ${TABLE}
      table inet ${TABLE} {
        counter beside {}
        chain arriving {
          type filter hook prerouting priority -300; policy accept;
          iifname != "p0" return
          ${allowed.join("\n")}
          icmpv6 type { ${neighbours} } return
          counter name beside
        }
      }`;
    await must(["ip", "netns", "exec", this.#machine.namespace("outside"), "nft", "-f", "-"], { input });
  }

  /** Packets since the last call. */
  async take(): Promise<number> {
    const words = ["nft", "-j", "reset", "counters", "table", "inet", TABLE];
    const { nftables } = rulesetSchema.parse(JSON.parse(await this.#machine.exec("outside", ...words)));
    const found = nftables.flatMap(({ counter }) => counter ?? []).find(({ name }) => name === "beside");
    if (found === undefined) throw new Error("The counter of packets beside the tunnel is gone.");
    return found.packets;
  }
}
