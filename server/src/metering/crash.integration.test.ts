import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dialThroughConnect } from "@atlantic/native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { DatabasePlace } from "../db/open.ts";
import { databaseKinds } from "../db/testing/temporary-database.ts";
import { startTemporaryPostgres, type TemporaryPostgres } from "../db/testing/temporary-postgres.ts";

const ROUNDS = Number(process.env.ATLANTIC_CRASH_ROUNDS ?? 50);
const TUNNELS = 6;
const program = join(import.meta.dirname, "testing/crash-gateway.ts");

const readySchema = z.object({ port: z.int(), username: z.string(), password: z.string() });
const verifiedSchema = z.object({
  sums: z.object({ connections: z.string(), hours: z.string(), balances: z.string() }),
  connections: z.array(
    z.object({ id: z.string(), sent: z.string(), received: z.string(), outcome: z.string().nullable() }),
  ),
});

interface Counts {
  readonly at: number;
  readonly arrived: number;
  readonly sent: number;
}

/** What the exit's other end counted of one connection, now and at every write that the gateway reported. */
interface Witness {
  readonly socket: Socket;
  readonly history: Counts[];
}

function countsOf({ socket }: Witness): Counts {
  return { at: performance.now(), arrived: socket.bytesRead, sent: socket.bytesWritten };
}

/** Takes tunnels: the first 36 bytes name the connection, then small pieces go both ways without end. */
class WitnessSite {
  readonly witnesses = new Map<string, Witness>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((socket) => {
      socket.on("error", () => {});
      let name = "";
      socket.on("data", (chunk) => {
        if (name.length >= 36) return;
        name += chunk.toString("latin1", 0, 36 - name.length);
        if (name.length === 36) this.#begin(name, socket);
      });
    });
  }

  #begin(id: string, socket: Socket): void {
    const witness: Witness = { socket, history: [] };
    this.witnesses.set(id, witness);
    const timer = setInterval(() => {
      witness.history.push(countsOf(witness));
      socket.write(Buffer.alloc(1 + Math.floor(Math.random() * 4_000)));
    }, 10);
    socket.once("close", () => clearInterval(timer));
  }

  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  close(): void {
    this.#server.close();
  }
}

/** Opens tunnels one after another and keeps them busy, until `stop`. */
function startLoad(gateway: z.infer<typeof readySchema>, sitePort: number) {
  const sockets = new Set<Socket>();
  let running = true;
  const worker = async () => {
    while (running) {
      try {
        await oneTunnel();
      } catch {
        return;
      }
    }
  };
  const oneTunnel = async () => {
    const proxy = {
      host: "127.0.0.1",
      port: gateway.port,
      username: `${gateway.username}-cc-de`,
      password: gateway.password,
    };
    const target = { host: "127.0.0.1", port: sitePort };
    const { socket, headers } = await dialThroughConnect({ proxy, target, timeoutMs: 5_000 });
    sockets.add(socket);
    socket.resume();
    socket.write(headers.get("x-atlantic-request-id") ?? "");
    const timer = setInterval(() => socket.write(Buffer.alloc(1 + Math.floor(Math.random() * 4_000))), 10);
    const over = setTimeout(() => socket.end(), Math.random() * 1_500);
    await once(socket, "close");
    clearInterval(timer);
    clearTimeout(over);
    sockets.delete(socket);
  };
  const workers = Array.from({ length: TUNNELS }, worker);
  return async () => {
    running = false;
    for (const socket of sockets) socket.destroy();
    await Promise.all(workers);
  };
}

async function message(child: ChildProcess, kind: string): Promise<unknown> {
  for (;;) {
    const [received] = await Promise.race([
      once(child, "message"),
      once(child, "exit").then(() => {
        throw new Error("The gateway's process ended by itself.");
      }),
    ]);
    if (received.kind === kind) return received;
  }
}

describe.each(databaseKinds)("a gateway that is killed under load, on %s", (kind) => {
  let postgres: TemporaryPostgres | undefined;
  let directory: string;
  let place: DatabasePlace;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "atlantic-crash-"));
    if (kind === "postgres") postgres = await startTemporaryPostgres();
    place = postgres
      ? { kind: "postgres", url: await postgres.createDatabase() }
      : { kind: "pglite", directory };
  });
  afterAll(async () => {
    await postgres?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function start(): Promise<{ child: ChildProcess; gateway: z.infer<typeof readySchema> }> {
    const child = fork(program, [JSON.stringify(place)], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    return { child, gateway: readySchema.parse(await message(child, "ready")) };
  }

  /** @returns the longest time, in ms, whose bytes are missing from a connection that the crash broke off */
  async function verify(child: ChildProcess, site: WitnessSite, crash: Crash | undefined): Promise<number> {
    child.send({ kind: "verify" });
    const { sums, connections } = verifiedSchema.parse(await message(child, "verified"));
    expect(sums.hours).toBe(sums.connections);
    expect(sums.balances).toBe(sums.connections);
    const rows = new Map(connections.map((row) => [row.id, row]));
    let lost = 0;
    for (const [id, witness] of site.witnesses) {
      const row = rows.get(id);
      const { arrived, sent } = countsOf(witness);
      const stored = { sent: Number(row?.sent ?? 0), received: Number(row?.received ?? 0) };
      expect(stored.sent).toBeLessThanOrEqual(arrived);
      expect(stored.received).toBeLessThanOrEqual(sent);
      const known = witness.history.filter((counts) => counts.at < (crash?.lastButOneStored ?? 0)).at(-1);
      expect(stored.sent).toBeGreaterThanOrEqual(known?.arrived ?? 0);
      expect(stored.received).toBeGreaterThanOrEqual(known?.sent ?? 0);
      const complete = witness.history.filter(
        (one) => one.arrived <= stored.sent && one.sent <= stored.received,
      );
      const began = witness.history[0]?.at;
      if (crash && row?.outcome !== "ended" && began !== undefined) {
        lost = Math.max(lost, crash.at - (complete.at(-1)?.at ?? began));
      }
      if (row) expect(row.outcome).not.toBeNull();
    }
    return lost;
  }

  interface Crash {
    readonly at: number;
    /** When the gateway reported its last write but one: all that was counted by then must be there. */
    readonly lastButOneStored: number;
  }

  test(`${ROUNDS} times: no byte is counted twice, and what is lost is less than one flush interval`, {
    timeout: 60_000 + ROUNDS * 15_000,
  }, async () => {
    const losses: number[] = [];
    let site = new WitnessSite();
    let crash: Crash | undefined;
    for (let round = 0; round < ROUNDS; round++) {
      const { child, gateway } = await start();
      if (crash) losses.push(await verify(child, site, crash));
      site.close();
      site = new WitnessSite();
      const reports: number[] = [];
      child.on(
        "message",
        ({ kind: word }: { kind: string }) => word === "stored" && reports.push(performance.now()),
      );
      const stop = startLoad(gateway, await site.listen());
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 1_200));
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      crash = { at: performance.now(), lastButOneStored: reports.at(-2) ?? 0 };
      await exited;
      await stop();
    }
    const { child } = await start();
    losses.push(await verify(child, site, crash));
    site.close();
    const exited = once(child, "exit");
    child.send({ kind: "end" });
    expect(await exited).toEqual([0, null]);
    const sorted = losses.sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    console.info(
      `${kind}: ${ROUNDS} kills; time whose bytes were lost, per kill the worst connection: median ${median.toFixed(0)} ms, most ${(sorted.at(-1) ?? 0).toFixed(0)} ms`,
    );
  });
});
