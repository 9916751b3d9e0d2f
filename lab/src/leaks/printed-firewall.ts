import { INTERNAL_KINDS } from "@atlantic/companion/src/firewall/container-rules.ts";
import type { Firewall } from "@atlantic/companion/src/firewall/firewall.ts";
import type { Policy } from "@atlantic/companion/src/firewall/policy.ts";
import { type FilteredLink, printNft, printNftOpen } from "@atlantic/companion/src/firewall/print-nft.ts";
import type { RuleSet } from "@atlantic/companion/src/firewall/rule-set.ts";
import { rulesOf } from "@atlantic/companion/src/firewall/rules-of.ts";
import { z } from "zod";
import { must } from "../net/run.ts";

/** What the matrix needs of a firewall. */
export type Guard = Pick<Firewall, "apply" | "replaceUpstreams" | "open">;

/**
 * The rules as the printed text of `nft -f`, as early boot and kernels before 6.9 have them: nobody holds the table,
 * and a link that comes later gets its chain at the next policy.
 */
export function printedFirewall(namespace: string): Guard {
  let inForce: Policy | undefined;
  const inside = (argv: readonly string[], input = "") =>
    must(["ip", "netns", "exec", namespace, ...argv], { input });
  const apply = async (policy: Policy) => {
    const rules = rulesOf(policy);
    await inside(["nft", "-f", "-"], printNft(rules, await filteredLinks(namespace, rules)));
    const settings = rules.settings.map(({ name, value }) => `${name.replaceAll("/", ".")}=${value}`);
    if (settings.length > 0) await inside(["sysctl", "-qw", ...settings]);
    inForce = policy;
  };
  return {
    apply,
    async replaceUpstreams(upstreams) {
      if (!inForce) throw new Error("There is no policy whose upstreams could be replaced.");
      await apply(
        inForce.kind === "blocked" ? { ...inForce, bootstrap: upstreams } : { ...inForce, upstreams },
      );
    },
    async open() {
      await inside(["nft", "-f", "-"], printNftOpen());
      inForce = undefined;
    },
  };
}

const linksSchema = z.array(
  z.object({
    ifindex: z.number(),
    ifname: z.string(),
    link_type: z.string(),
    linkinfo: z.object({ info_kind: z.string().optional() }).optional(),
  }),
);

/** Every link but loopback and the tunnel's. */
async function filteredLinks(namespace: string, rules: RuleSet): Promise<FilteredLink[]> {
  const links = linksSchema.parse(JSON.parse(await must(["ip", "-netns", namespace, "-j", "-d", "link"])));
  return links
    .filter(({ ifindex, link_type }) => link_type !== "loopback" && ifindex !== rules.egress.spared)
    .map(({ ifname, linkinfo }) => ({
      name: ifname,
      internal: INTERNAL_KINDS.some((kind) => kind === linkinfo?.info_kind),
    }));
}
