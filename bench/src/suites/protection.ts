import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { ProtectedMachine } from "@atlantic/companion/src/protection/testing/protected-machine.ts";
import { residentBytes } from "../measure/resident-memory.ts";
import { quantile } from "../measure/statistics.ts";
import { makeRow, type Row } from "../row.ts";
import type { Suite, SuiteContext } from "../suite.ts";

/** Failovers of one kind: a quantile of 95 % needs some. */
const FAILOVERS = 40;
/** How long a process is left alone before its memory counts as idle. */
const IDLE_MS = 15_000;
/** Names in the lists that come with the program, at least. */
const LISTED = 100_000;

/** What protecting the whole machine costs at rest, and for how long traffic stops when an upstream goes. */
export const protection: Suite = {
  name: "protection",
  about: "the daemon at rest with the default lists, and the gap of a failover",
  async run(context: SuiteContext): Promise<Row[]> {
    const machine = await ProtectedMachine.start({ filtering: true });
    try {
      await machine.atlantic("connect");
      const rows: Row[] = [];
      if (context.wants("idle")) rows.push(...(await memory(context, machine)));
      if (context.wants("failover")) rows.push(await failovers(context, machine));
      return rows;
    } finally {
      await machine.remove();
    }
  },
};

async function memory(context: SuiteContext, machine: ProtectedMachine): Promise<Row[]> {
  context.progress(`connected, with the default lists, idle for ${IDLE_MS / 1_000} s`);
  await listsLoaded(machine);
  await delay(IDLE_MS);
  const resident = (name: string, pid: number | undefined): number[] => {
    if (pid === undefined) throw new Error(`${name} does not run.`);
    return [residentBytes(pid) / 1e6];
  };
  const holderPid = machine.processes().find((pid) => commandOf(pid).includes("atlantic-fw"));
  const daemon = resident("The daemon", machine.daemon?.pid);
  const holder = resident("atlantic-fw", holderPid);
  context.keep("resident MB", { daemon, holder });
  const row = (name: string, ours: readonly number[], atMost: number) =>
    makeRow({
      suite: "protection",
      case: `${name}, connected and idle`,
      metric: "resident memory",
      unit: "MB",
      better: "lower",
      ours,
      bar: { of: "ours", atMost },
    });
  return [row("daemon with the default lists", daemon, 150), row("atlantic-fw", holder, 4)];
}

async function listsLoaded(machine: ProtectedMachine): Promise<void> {
  for (let tries = 0; tries < 120; tries++) {
    const lists: unknown = await machine.atlantic("dns", "lists");
    const entries = Array.isArray(lists)
      ? lists.reduce((sum: number, list) => sum + Number(list.entries), 0)
      : 0;
    if (entries > LISTED) return;
    await delay(500);
  }
  throw new Error("The default lists were not loaded.");
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8");
}

/** The upstream in use refuses everything from one moment on, as when its process has died; then the other one does. */
async function failovers(context: SuiteContext, machine: ProtectedMachine): Promise<Row> {
  context.progress(`${FAILOVERS} failovers, with a new connection every few milliseconds`);
  const asker = machine.namespaces.start("client", "../../protection/testing/asker-program.ts", [
    machine.site,
  ]);
  await asker.hears("an answer", ({ answered }) => typeof answered === "number");
  const gaps: number[] = [];
  for (let count = 0; count < FAILOVERS; count++) {
    const { upstream } = await machine.until(({ state }) => state === "connected");
    const port = upstream === "a" ? machine.ports.a : machine.ports.b;
    const heard = asker.said.length;
    await machine.rulesOutside(
      `table inet dead { chain in { type filter hook input priority 0; policy accept; }; }
       flush table inet dead
       add rule inet dead in iif inner tcp dport ${port} reject with tcp reset`,
    );
    const died = Date.now();
    const first = await asker.hears(
      "an answer after it",
      ({ answered }) => Number(answered) > died + 1,
      heard,
    );
    gaps.push(Math.max(Number(first.answered) - died, longestGap(asker.said, died)));
    await machine.until(({ state, upstream: now }) => state === "connected" && now !== upstream);
  }
  context.keep("failover gap, ms", { ours: gaps });
  return makeRow({
    suite: "protection",
    case: `upstream dies, another takes over, ${FAILOVERS} times`,
    metric: "gap between answers, 95 % within",
    unit: "ms",
    better: "lower",
    ours: [quantile(gaps, 0.95)],
    bar: { of: "ours", atMost: 1_000 },
  });
}

/** Of the answers around the moment: an answer that was on its way then ends no gap. */
function longestGap(said: readonly Record<string, unknown>[], moment: number): number {
  const times = said.map(({ answered }) => Number(answered)).filter((at) => at > moment - 500);
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? at));
  return Math.max(0, ...gaps);
}
