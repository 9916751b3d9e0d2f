import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { DatabasePlace } from "../../db/open.ts";
import { type ClientWitness, startMixedLoad } from "./mixed-load.ts";
import { WitnessSite } from "./witness-site.ts";

const program = join(import.meta.dirname, "crash-gateway.ts");

const readySchema = z.object({ port: z.int(), username: z.string(), password: z.string() });
const verifiedSchema = z.object({
  sums: z.object({ connections: z.string(), hours: z.string(), balances: z.string(), events: z.string() }),
  differences: z.array(z.string()),
  connections: z.array(
    z.object({
      target: z.string(),
      sent: z.string(),
      received: z.string(),
      outcome: z.string().nullable(),
      hasReceipt: z.boolean(),
    }),
  ),
});
type Verified = z.infer<typeof verifiedSchema>;
const storedSchema = z.object({ kind: z.literal("stored"), at: z.number() });

/** What was known of each address at one moment: what had arrived at the site, and at the client. */
interface Moment {
  readonly at: number;
  readonly known: ReadonlyMap<string, { arrived: number; read: number }>;
}

/** One killed gateway and what was seen of it from outside. */
interface Crash {
  readonly beganAt: number;
  readonly killedAt: number;
  /** When each write was reported, by the gateway's clock. */
  readonly stored: readonly number[];
  readonly history: readonly Moment[];
  readonly clients: readonly ClientWitness[];
  readonly site: WitnessSite;
}

/** What the kills came to. */
export interface CrashReport {
  readonly kills: number;
  /** Connections that were compared with what their two ends saw. */
  readonly connections: number;
  readonly bytes: string;
  /** Of those, how many had ended in a reset, which may take arrived bytes from the reader. */
  readonly resets: number;
  /** Per kill, the time whose bytes are missing from the connection that lost most, in milliseconds. */
  readonly lostMs: { readonly median: number; readonly p99: number; readonly most: number };
}

/** What was seen is not what was stored. */
export class CrashProofError extends Error {
  override readonly name = "CrashProofError";
}

/** The counters of the native engine are read a moment after the bytes have moved. */
const MARGIN_MS = 50;

/**
 * Kills a gateway under mixed load again and again, and compares what was stored with what both ends of every
 * connection saw: never more than flowed, all of it the same in every book, and nothing missing that was there when
 * the write before the last one ended.
 *
 * @throws CrashProofError
 */
export async function proveCrashes(
  place: DatabasePlace,
  {
    rounds,
    until = Number.POSITIVE_INFINITY,
    progress = () => {},
  }: { rounds: number; until?: number; progress?: (round: number) => void },
): Promise<CrashReport> {
  const tally = { connections: 0, bytes: 0n, resets: 0 };
  const lost: number[] = [];
  let crash: Crash | undefined;
  let last = rounds;
  for (let round = 0; round <= last; round++) {
    if (Date.now() >= until) last = Math.min(last, round);
    const { child, gateway } = await start(place);
    if (crash) {
      const fully = round % 25 === 0 || round === last;
      lost.push(compare(crash, await ask(child, crash.beganAt, fully), tally));
      crash.site.close();
    }
    if (round < last) crash = await killUnderLoad(child, gateway);
    else await end(child);
    progress(round);
  }
  const sorted = lost.sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return {
    kills: last,
    connections: tally.connections,
    bytes: String(tally.bytes),
    resets: tally.resets,
    lostMs: { median: at(0.5), p99: at(0.99), most: at(1) },
  };
}

async function start(place: DatabasePlace) {
  const child = fork(program, [JSON.stringify(place)], {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  return { child, gateway: readySchema.parse(await message(child, "ready")) };
}

async function message(child: ChildProcess, kind: string): Promise<unknown> {
  for (;;) {
    const [received] = await Promise.race([
      once(child, "message"),
      once(child, "exit").then(() => {
        throw new CrashProofError("The gateway's process ended by itself.");
      }),
    ]);
    if (received.kind === kind) return received;
  }
}

async function ask(child: ChildProcess, since: number, fully: boolean): Promise<Verified> {
  child.send({ kind: "verify", since, fully });
  return verifiedSchema.parse(await message(child, "verified"));
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.send({ kind: "end" });
  const [code] = await exited;
  if (code !== 0) throw new CrashProofError(`The gateway ended with code ${code}.`);
}

async function killUnderLoad(child: ChildProcess, gateway: z.infer<typeof readySchema>): Promise<Crash> {
  const site = new WitnessSite();
  const stored: number[] = [];
  child.on("message", (received) => {
    const read = storedSchema.safeParse(received);
    if (read.success) stored.push(read.data.at);
  });
  const beganAt = Date.now();
  const load = startMixedLoad(gateway, await site.listen());
  const history: Moment[] = [];
  const timer = setInterval(() => history.push(lookAt(load.witnesses, site)), 40);
  await delay(80 + Math.random() * 900);
  clearInterval(timer);
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  const killedAt = Date.now();
  await exited;
  await load.stop();
  return { beganAt, killedAt, stored, history, clients: load.witnesses, site };
}

function lookAt(clients: readonly ClientWitness[], site: WitnessSite): Moment {
  const at = Date.now();
  const known = new Map(
    clients.map(({ address, kind, socket }) => [
      address,
      // The heads of forwarded answers are not the same on both sides.
      { arrived: site.seen(address)?.arrived ?? 0, read: kind === "forwarded" ? 0 : tunnelled(socket) },
    ]),
  );
  return { at, known };
}

/** What came through the tunnel: the proxy's own answer is read before the socket is ours, and counted by Node. */
function tunnelled(socket: ClientWitness["socket"]): number {
  return Math.max(0, (socket?.bytesRead ?? 0) - HANDSHAKE_BYTES);
}

/** More than any answer of the gateway to CONNECT or SOCKS5 is long. */
const HANDSHAKE_BYTES = 2_000;

/** @returns the longest time, in ms, whose bytes are missing from a connection that the kill broke off */
function compare(
  crash: Crash,
  verified: Verified,
  tally: { connections: number; bytes: bigint; resets: number },
): number {
  const { sums, differences, connections } = verified;
  for (const [book, sum] of Object.entries(sums)) {
    if (sum !== sums.connections)
      throw new CrashProofError(`${book}: ${sum}, and connections: ${sums.connections}.`);
  }
  if (differences.length > 0) throw new CrashProofError(differences.join(" "));
  const rows = new Map(connections.map((row) => [row.target, row]));
  const settledAt = (crash.stored.at(-2) ?? 0) - MARGIN_MS;
  const settled = crash.history.findLast(({ at }) => at < settledAt);
  let lost = 0;
  for (const { address, kind, socket } of crash.clients) {
    const row = rows.get(address);
    const stored = { sent: Number(row?.sent ?? 0), received: Number(row?.received ?? 0) };
    const seen = crash.site.seen(address) ?? { arrived: 0, sent: 0, wasReset: false };
    const mayHaveArrived = seen.wasReset ? Math.max(seen.arrived, socket?.bytesWritten ?? 0) : seen.arrived;
    const what = `${kind} ${address}: stored ${stored.sent}/${stored.received}`;
    if (stored.sent > mayHaveArrived || stored.received > seen.sent) {
      throw new CrashProofError(`${what}, but only ${mayHaveArrived}/${seen.sent} flowed.`);
    }
    const known = settled?.known.get(address);
    if (known && (stored.sent < known.arrived || stored.received < known.read)) {
      throw new CrashProofError(`${what}, less than the settled ${known.arrived}/${known.read}.`);
    }
    if (row && (row.outcome === null || !row.hasReceipt))
      throw new CrashProofError(`${what}: open, or no receipt.`);
    tally.connections += 1;
    tally.bytes += BigInt(stored.sent + stored.received);
    if (seen.wasReset) tally.resets += 1;
    if (row?.outcome === "gateway_lost") lost = Math.max(lost, lostTime(crash, address, stored));
    rows.delete(address);
  }
  for (const row of rows.values()) {
    if (row.sent !== "0" || row.received !== "0") throw new CrashProofError(`${row.target} is nobody's.`);
  }
  return lost;
}

function lostTime(crash: Crash, address: string, stored: { sent: number; received: number }): number {
  const complete = crash.history.findLast(({ known }) => {
    const seen = known.get(address);
    return seen !== undefined && seen.arrived <= stored.sent && seen.read <= stored.received;
  });
  const began = crash.history.find(({ known }) => known.has(address));
  const from = complete?.at ?? began?.at;
  return from === undefined ? 0 : crash.killedAt - from;
}
