import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Firewall, openFirewall } from "@atlantic/companion/src/firewall/firewall.ts";
import type { Policy } from "@atlantic/companion/src/firewall/policy.ts";
import { printNft } from "@atlantic/companion/src/firewall/print-nft.ts";
import { rulesOf } from "@atlantic/companion/src/firewall/rules-of.ts";
import { samplePolicies } from "@atlantic/companion/src/firewall/testing/sample-policies.ts";
import { PEER4, Wire } from "@atlantic/companion/src/firewall/testing/wire.ts";
import { inTurn } from "../measure/in-turn.ts";
import { residentBytes } from "../measure/resident-memory.ts";
import { quantile } from "../measure/statistics.ts";
import { temporaryFolder } from "../measure/temporary-folder.ts";
import { makeRow, type Row } from "../row.ts";
import type { Suite, SuiteContext } from "../suite.ts";

/** Times that each thing is done in one round: a quantile of 99 % needs some. */
const TIMES = 100;
/** Replaces under load, and for how long at most. */
const REPLACES = 100_000;
const MOST_SECONDS = 1_200;
const PORT = 9;

const upstream = { address: "203.0.113.7", protocol: "tcp" } as const;
const [blocked, connected] = [samplePolicies.blocked, samplePolicies.connected];

/** How long the firewall takes to change its rules, beside nft, and what gets through while it does. */
export const firewall: Suite = {
  name: "firewall",
  about: "rules loaded, replaced and swapped, beside nft; what gets through meanwhile",
  async run(context: SuiteContext): Promise<Row[]> {
    using folder = temporaryFolder();
    const wire = await Wire.make();
    try {
      const held = await start(wire, folder.path);
      try {
        const { pid } = held;
        const rows = await times(context, held.firewall, wire);
        rows.push(await underLoad(context, held.firewall, wire), memory(pid));
        return rows;
      } finally {
        await held.firewall.open();
        await held.firewall.close();
        process.kill(held.pid, "SIGKILL");
      }
    } finally {
      await wire.remove();
    }
  },
};

async function start(
  wire: Wire,
  folder: string,
): Promise<{ readonly firewall: Firewall; readonly pid: number }> {
  const program = join(import.meta.dirname, "../../../native/dist/atlantic-fw");
  const command = ["nsenter", `--net=/run/netns/${wire.client}`, program];
  const firewall = await openFirewall({
    socket: join(folder, "socket"),
    state: join(folder, "rules"),
    command,
  });
  const pids = (await wire.inClient(`ip netns pids ${wire.client}`)).split("\n").filter(Boolean).map(Number);
  const pid = pids.find((each) => readFileSync(`/proc/${each}/cmdline`, "utf8").includes(folder));
  if (pid === undefined) throw new Error("The holder of the rules does not run.");
  return { firewall, pid };
}

async function times(context: SuiteContext, firewall: Firewall, wire: Wire): Promise<Row[]> {
  const rows: Row[] = [];
  const cases: readonly Case[] = [
    {
      name: "loaded where there were none",
      before: () => firewall.open(),
      ours: () => firewall.apply(connected),
      nft: () => load(wire, connected),
    },
    {
      name: "replaced",
      ours: other((policy) => firewall.apply(policy)),
      nft: other((policy) => load(wire, policy)),
    },
    {
      name: "upstreams swapped",
      ours: other((_, index) => firewall.replaceUpstreams([{ ...upstream, port: 7000 + index }])),
      nft: other((_, index) => swap(wire, 7000 + index)),
    },
  ];
  for (const { name, before, ours, nft } of cases) {
    if (!context.wants(name)) continue;
    context.progress(name);
    const contestants = [
      { name: "ours", measure: () => slowest(ours, before) },
      { name: "nft", measure: () => withNft(firewall, wire, nft, before !== undefined) },
    ];
    await firewall.apply(connected);
    const readings = await inTurn(context.rounds, contestants);
    context.keep(`${name}: ms, 99 % within`, Object.fromEntries(readings));
    rows.push(
      makeRow({
        suite: "firewall",
        case: `rules ${name}, ${TIMES} times a round`,
        metric: "99 % done within",
        unit: "ms",
        better: "lower",
        ours: readings.get("ours") ?? [],
        peer: { name: "nft", rounds: readings.get("nft") ?? [] },
        bar: { of: "ours", atMost: 30 },
      }),
    );
  }
  return rows;
}

interface Case {
  readonly name: string;
  readonly before?: () => Promise<void>;
  readonly ours: () => Promise<unknown>;
  readonly nft: () => Promise<unknown>;
}

/** Does it with the one policy and the other in turn. */
function other(act: (policy: Policy, index: number) => Promise<unknown>): () => Promise<unknown> {
  let index = 0;
  return () => {
    index = 1 - index;
    return act(index === 0 ? connected : blocked, index);
  };
}

/** Milliseconds within which 99 of 100 are done. */
async function slowest(act: () => Promise<unknown>, before?: () => Promise<unknown>): Promise<number> {
  const all: number[] = [];
  for (let time = 0; time < TIMES; time++) {
    await before?.();
    const begun = performance.now();
    await act();
    all.push(performance.now() - begun);
  }
  return quantile(all, 0.99);
}

/** nft cannot touch an owned table: ours is opened before, and is there again afterwards. */
async function withNft(
  firewall: Firewall,
  wire: Wire,
  act: () => Promise<unknown>,
  fresh: boolean,
): Promise<number> {
  await firewall.open();
  await load(wire, connected);
  const value = await slowest(act, fresh ? () => wire.inClient("nft flush ruleset") : undefined);
  await wire.inClient("nft flush ruleset");
  await firewall.apply(connected);
  return value;
}

function load(wire: Wire, policy: Policy): Promise<string> {
  return wire.inClient("exec nft -f -", printNft(rulesOf(policy), [{ name: "eth0", internal: true }]));
}

function swap(wire: Wire, port: number): Promise<string> {
  const lines = ["inet", "netdev"].flatMap((family) => [
    `flush set ${family} atlantic upstream4`,
    `add element ${family} atlantic upstream4 { 203.0.113.7 . tcp . ${port} }`,
  ]);
  return wire.inClient("exec nft -f -", `${lines.join("\n")}\n`);
}

/** Sends all the while to a place that no policy allows, and counts at the other end. */
async function underLoad(context: SuiteContext, firewall: Firewall, wire: Wire): Promise<Row> {
  context.progress(`replaced under load, for ${MOST_SECONDS} s at most`);
  await wire.inPeer(
    `nft add table inet seen
     nft add chain inet seen probes '{ type filter hook prerouting priority -300; }'
     nft add rule inet seen probes udp dport ${PORT} counter`,
  );
  const control = await wire.flood(PEER4, PORT);
  await firewall.open();
  await delay(500);
  await control.stop();
  const seenOpen = await counted(wire);
  if (seenOpen === 0) throw new Error("What is sent is not counted even where there are no rules.");
  await firewall.apply(blocked);
  const flood = await wire.flood(PEER4, PORT);
  const replace = other((policy) => firewall.apply(policy));
  const end = performance.now() + MOST_SECONDS * 1000;
  let replaces = 0;
  for (; replaces < REPLACES && performance.now() < end; replaces++) await replace();
  const tried = await flood.stop();
  const through = (await counted(wire)) - seenOpen;
  context.keep("under load", { replaces, tried, through, seenWithoutRules: seenOpen });
  return makeRow({
    suite: "firewall",
    case: `rules replaced ${replaces} times while ${tried} packets were tried`,
    metric: "packets that got through",
    unit: "packets",
    better: "lower",
    ours: [through],
    bar: { of: "ours", atMost: 0 },
  });
}

async function counted(wire: Wire): Promise<number> {
  const packets = /packets (\d+)/.exec(await wire.inPeer("nft list table inet seen"))?.[1];
  if (packets === undefined) throw new Error("Nothing is counted.");
  return Number(packets);
}

function memory(pid: number): Row {
  return makeRow({
    suite: "firewall",
    case: "atlantic-fw after all of that",
    metric: "resident memory",
    unit: "MB",
    better: "lower",
    ours: [residentBytes(pid) / 1e6],
    bar: { of: "ours", atMost: 4 },
  });
}
