import { setTimeout as delay } from "node:timers/promises";
import { RESOLVER_ADDRESS4 } from "@atlantic/companion/src/firewall/policy.ts";
import { nextTag } from "../leaks/sending.ts";
import { kill } from "../net/processes.ts";
import { run } from "../net/run.ts";
import type { FaultPlace } from "./fault.ts";
import { faults } from "./faults.ts";

/** A part of the daemon's life that it is led through, from connected to connected. */
export interface Stage {
  readonly name: string;
  /** It begins with a new process. */
  readonly startsAnew?: boolean;
  /** The person opens the machine meanwhile: what leaves then is no leak. */
  readonly opens?: boolean;
  /** Leads it through. What it asks of the daemon may fail: the daemon may end over it. */
  lead(place: FaultPlace): Promise<void>;
  /** Puts back what the person wished, when the daemon runs again; connected is seen to anyway. */
  restore?(place: FaultPlace): Promise<void>;
}

/** How long each is given to do what it does a moment later. */
const REST_MS = 300;

function byFault(name: string, faultName: string): Stage {
  const fault = faults.find((each) => each.name === faultName);
  if (!fault) throw new Error(`There is no fault "${faultName}".`);
  return {
    name,
    async lead(place) {
      await fault.inject(place);
      await delay(REST_MS);
      await fault.after?.(place);
    },
  };
}

async function unlock({ product }: FaultPlace): Promise<void> {
  await product.ask(async (client) => {
    await client.request("tier.raise", { to: "release" });
    await client.request("protection.unlock", {});
  });
}

/** All there are: the first by which a point is passed is the one that leads to it. */
export const stages: readonly Stage[] = [
  { name: "start", startsAnew: true, lead: async ({ product }) => kill(product.daemonPid, "SIGKILL") },
  {
    name: "the upstream dies",
    async lead({ product }) {
      const { upstream } = await product.view();
      await product.stopUpstream(upstream);
      await delay(REST_MS);
      await product.startUpstreams();
    },
  },
  {
    name: "both upstreams are away",
    async lead({ product }) {
      await Promise.all(["a", "b"].map((name) => product.stopUpstream(name)));
      await delay(4 * REST_MS);
      await product.startUpstreams();
    },
  },
  byFault("the link goes down and up", "link down and up"),
  byFault("the device is deleted", "the device deleted"),
  byFault("a second link", "a link plugged in with a better metric"),
  byFault("the rules are flushed", "nft flush ruleset"),
  byFault("the holder is killed", "SIGKILL of atlantic-fw"),
  byFault("the addon's thread panics", 'a panic in the addon\'s thread "tunnel"'),
  {
    name: "names and datagrams",
    async lead({ machine, traveller }) {
      const script = `const r = new (require("node:dns").Resolver)({ timeout: 500, tries: 1 }); r.setServers(["${RESOLVER_ADDRESS4}"]); r.resolve4("example.com", () => {}); r.resolve6("example.org", () => {});`;
      const inside = ["ip", "netns", "exec", machine.namespace("machine")];
      await run([...inside, process.execPath, "-e", script]);
      const probe = { tag: nextTag(), family: 4, protocol: "udp", port: 443, to: "100.100.1.1" } as const;
      await traveller.exchange(probe, REST_MS);
    },
  },
  {
    name: "asked",
    lead: ({ product }) =>
      product.ask(async (client) => {
        await client.request("status.get", {});
        await client.request("protection.leaks", {});
        await client.request("protection.validate", {});
        await client.request("protection.allowLan", { allowed: false });
        await client.request("protection.connect", {});
        await client.request("exits.list", {});
      }),
  },
  {
    name: "locked, disconnected, connected, unlocked",
    async lead({ product }) {
      await product.ask(async (client) => {
        await client.request("protection.lockdown", {});
        await client.request("tier.raise", { to: "release" });
        await client.request("protection.disconnect", {});
        await client.request("protection.connect", {});
        await client.request("protection.unlock", {});
      });
    },
    restore: unlock,
  },
  {
    name: "disconnected and connected",
    opens: true,
    async lead({ product }) {
      await product.ask(async (client) => {
        await client.request("tier.raise", { to: "release" });
        await client.request("protection.disconnect", {});
        await client.request("protection.connect", {});
      });
    },
  },
  { name: "asked to end", lead: async ({ product }) => kill(product.daemonPid, "SIGTERM") },
  {
    ...byFault("the wish is unreadable", "the wish on disk unreadable, and the daemon killed"),
    startsAnew: true,
    restore: unlock,
  },
];
