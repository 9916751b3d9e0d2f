import { readdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { kill } from "../net/processes.ts";
import { run } from "../net/run.ts";
import type { Fault, FaultPlace } from "./fault.ts";

function signal(
  name: string,
  which: NodeJS.Signals,
  pids: (place: FaultPlace) => Promise<(number | undefined)[]>,
): Fault {
  return {
    name,
    async inject(place) {
      for (const pid of await pids(place)) kill(pid, which);
    },
  };
}

/** A process stands still, and goes on. */
function standsStill(
  name: string,
  forMs: number,
  pidOf: (place: FaultPlace) => Promise<number | undefined>,
): Fault {
  return {
    name,
    lasts: true,
    async inject(place) {
      const pid = await pidOf(place);
      kill(pid, "SIGSTOP");
      await delay(forMs);
      kill(pid, "SIGCONT");
    },
  };
}

/** Rust code in a thread of the addon panics: the clock that it asks refuses, which its standard library unwraps. */
function panic(thread: string): Fault {
  return {
    name: `a panic in the addon's thread "${thread}"`,
    takes: "the clock",
    async inject({ clock, product }) {
      const pid = product.daemonPid;
      clock.panic(thread);
      const deadline = performance.now() + 5_000;
      // It may have ended by another fault before.
      while (!clock.panicked && product.daemonPid === pid && performance.now() < deadline) await delay(10);
      if (!clock.panicked && product.daemonPid === pid)
        throw new Error(`The thread "${thread}" does not ask for the time. ${product.log}`);
    },
  };
}

/** The holder ends while it is told rules, again and again. */
function killedOverRules(): Fault {
  let replaced: Promise<unknown> = Promise.resolve();
  return {
    name: "atlantic-fw killed while rules are replaced",
    async inject({ product }) {
      const pid = await product.holderPid();
      replaced = product
        .ask((client) =>
          Promise.all(
            Array.from({ length: 4 }, () => client.request("protection.allowLan", { allowed: false })),
          ),
        )
        // The daemon may end by another fault.
        .catch(() => {});
      await delay(Math.random() * 20);
      kill(pid, "SIGKILL");
    },
    after: async () => void (await replaced),
  };
}

const daemon = async ({ product }: FaultPlace) => product.daemonPid;
const holder = ({ product }: FaultPlace) => product.holderPid();

const STOP_MS = 10_000;

export const processFaults: readonly Fault[] = [
  signal("SIGKILL of the daemon", "SIGKILL", async (place) => [await daemon(place)]),
  signal("abort of the daemon", "SIGABRT", async (place) => [await daemon(place)]),
  signal("segmentation fault of the daemon", "SIGSEGV", async (place) => [await daemon(place)]),
  {
    name: "the daemon is asked to end",
    lasts: true,
    async inject({ product }) {
      const ended = product.ends(STOP_MS);
      kill(product.daemonPid, "SIGTERM");
      await ended;
    },
  },
  signal("SIGKILL of atlantic-fw", "SIGKILL", async (place) => [await holder(place)]),
  signal("every process killed at once", "SIGKILL", async (place) => [
    await daemon(place),
    await holder(place),
  ]),
  standsStill("the daemon stands still for a while", 300, daemon),
  standsStill("atlantic-fw stands still for a while", 700, holder),
  panic("carrier"),
  panic("tunnel"),
  {
    name: "memory of the daemon exhausted",
    lasts: true,
    async inject({ product }) {
      const pid = product.daemonPid;
      if (pid === undefined) return;
      await run(["prlimit", `--pid=${pid}`, "--data=1000000"]);
      // The next allocation of size ends it: traffic makes some.
      await delay(200);
      if (product.daemonPid === pid) kill(pid, "SIGABRT");
    },
  },
  {
    name: "the daemon is out of file descriptors for a while",
    lasts: true,
    async inject({ product }) {
      const pid = product.daemonPid;
      if (pid === undefined) return;
      const limit = (open: string) => run(["prlimit", `--pid=${pid}`, `--nofile=${open}`]);
      await limit(`${descriptors(pid) + 1}:65536`);
      await delay(1_000);
      await limit("65536:65536");
    },
  },
  killedOverRules(),
];

function descriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}
