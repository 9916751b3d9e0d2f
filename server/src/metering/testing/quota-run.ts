import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { dialThroughConnect } from "@atlantic/native";
import { z } from "zod";
import type { DatabasePlace } from "../../db/open.ts";

const program = join(import.meta.dirname, "quota-gateway.ts");
const CHUNK = Buffer.alloc(65_536);
const TOP_UP_BYTES = 3_000_000;

export interface QuotaRun {
  readonly place: DatabasePlace;
  /** Processes; more than one needs Postgres. */
  readonly gateways: number;
  readonly clients: number;
  readonly balanceBytes: number;
  /** How many times a gateway is killed with SIGKILL while everybody pulls. */
  readonly kills: number;
}

/** Bytes, all of them. */
export interface QuotaOutcome {
  readonly allowance: number;
  /** What the account is charged. */
  readonly used: number;
  /** What clients got and gave, counted by themselves. */
  readonly delivered: number;
  /** What came at the clients beyond the balance; never below 0. */
  readonly overrun: number;
  /** What the database says was used beyond the allowance. */
  readonly storedOverrun: number;
  /** The most that was ever used and reserved beyond the allowance, looked at all the time. */
  readonly worstSeen: number;
  /** Reserved at the end: 0 when every lease was settled or given back. */
  readonly reserved: number;
  /** Sum of all connections: equal to what is charged. */
  readonly connections: number;
  readonly kills: number;
  readonly tunnels: number;
  readonly seconds: number;
  /** Whether a top-up worked on the next connection, without a restart; and was delivered to the last byte. */
  readonly toppedUp: boolean;
}

const accountSchema = z.object({ userId: z.string(), username: z.string(), password: z.string() });
const count = z.string().transform(Number);
const balanceSchema = z.object({
  allowance: count,
  used: count,
  reserved: count,
  overrun: count,
  leases: count,
  connections: count,
  open: count,
});
type Account = z.infer<typeof accountSchema>;

class GatewayProcess {
  readonly #place: DatabasePlace;
  readonly #gatewayId = randomUUID();
  #child: ChildProcess | undefined;
  port = 0;

  constructor(place: DatabasePlace) {
    this.#place = place;
  }

  async start(): Promise<void> {
    const settings = JSON.stringify({ place: this.#place, gatewayId: this.#gatewayId });
    const child = fork(program, [settings], { execArgv: ["--disable-warning=ExperimentalWarning"] });
    this.#child = child;
    this.port = z.object({ port: z.int() }).parse(await this.#hear("ready")).port;
  }

  async #hear(kind: string): Promise<unknown> {
    const child = this.#child;
    if (child === undefined) throw new Error("The gateway is not running.");
    const ended = new AbortController();
    const exit = once(child, "exit", { signal: ended.signal }).then(() => {
      throw new Error("The gateway ended.");
    });
    try {
      for (;;) {
        const [message] = await Promise.race([once(child, "message", { signal: ended.signal }), exit]);
        if (message.kind === kind) return message;
      }
    } finally {
      exit.catch(() => {});
      ended.abort();
    }
  }

  async ask(message: Readonly<Record<string, unknown>>, answer: string): Promise<unknown> {
    const heard = this.#hear(answer);
    this.#child?.send(message, () => {});
    return heard;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    this.#child = undefined;
    this.port = 0;
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exited = once(child, "exit");
    child.send({ kind: "end" });
    await exited;
  }
}

/** Many clients share a balance and pull as fast as they can until it is gone; then it is topped up, once. */
export async function runQuota(run: QuotaRun): Promise<QuotaOutcome> {
  const gateways = Array.from({ length: run.gateways }, () => new GatewayProcess(run.place));
  for (const gateway of gateways) await gateway.start();
  const [first] = gateways;
  if (first === undefined) throw new Error("At least one gateway is needed.");
  const site = await startSite();
  const began = performance.now();
  try {
    const account = accountSchema.parse(
      await first.ask({ kind: "account", bytes: String(run.balanceBytes) }, "account"),
    );
    const pull = new Pull(gateways, site.port, account);
    const watch = new Watch(gateways, account.userId);
    const killing = killSome(gateways, run, pull);
    await Promise.all([pull.untilGone(run.clients), killing]);
    const seconds = (performance.now() - began) / 1_000;
    await watch.stop();
    const delivered = pull.delivered;
    const toppedUp = await topUp(first, account, pull);
    for (const gateway of gateways.slice(1)) await gateway.end();
    // The others have given back by now what they did not use; the first one sees all of it.
    const balance = await settled(first, account.userId);
    const allowance = run.balanceBytes;
    return {
      allowance,
      used: balance.used - TOP_UP_BYTES,
      delivered,
      overrun: Math.max(0, delivered - allowance),
      storedOverrun: balance.overrun,
      worstSeen: watch.worst,
      reserved: balance.reserved,
      connections: balance.connections - TOP_UP_BYTES,
      kills: run.kills,
      tunnels: pull.tunnels,
      seconds,
      toppedUp,
    };
  } finally {
    site.server.close();
    for (const gateway of gateways) await gateway.end().catch(() => {});
  }
}

/** The account rests: its connections are written to their end, and within seconds its gateway gives back what it holds. */
async function settled(gateway: GatewayProcess, userId: string): Promise<z.infer<typeof balanceSchema>> {
  for (let tries = 0; ; tries++) {
    const balance = balanceSchema.parse(await gateway.ask({ kind: "balance", userId }, "balance"));
    if ((balance.leases === 0 && balance.open === 0) || tries > 150) return balance;
    await pause(100);
  }
}

async function topUp(gateway: GatewayProcess, account: Account, pull: Pull): Promise<boolean> {
  const { userId } = account;
  // What a killed gateway held, or another still holds, is part of the balance too: it is used up first.
  await settled(gateway, userId);
  await pull.untilGone(4);
  await gateway.ask({ kind: "top-up", userId, bytes: String(TOP_UP_BYTES) }, "topped-up");
  const before = balanceSchema.parse(await gateway.ask({ kind: "balance", userId }, "balance"));
  await pull.untilGone(4);
  const after = await settled(gateway, userId);
  return after.used - before.used >= TOP_UP_BYTES - 65_536 && after.used <= after.allowance;
}

async function killSome(gateways: readonly GatewayProcess[], run: QuotaRun, pull: Pull): Promise<void> {
  for (let kill = 0; kill < run.kills; kill++) {
    // Somewhere in the middle: after so much of the balance has come.
    const share = ((kill + 0.5) / run.kills) * 0.8;
    while (pull.delivered < share * run.balanceBytes && !pull.isGone) await pause(2);
    const victim = gateways[kill % gateways.length];
    await victim?.kill();
    await pause(20);
    await victim?.start();
  }
}

/** Clients of one account, and all that came at them. */
class Pull {
  delivered = 0;
  tunnels = 0;
  isGone = false;
  readonly #gateways: readonly GatewayProcess[];
  readonly #sitePort: number;
  readonly #account: Account;

  constructor(gateways: readonly GatewayProcess[], sitePort: number, account: Account) {
    this.#gateways = gateways;
    this.#sitePort = sitePort;
    this.#account = account;
  }

  /** Resolves when every client was told by every gateway that nothing is left. */
  async untilGone(clients: number): Promise<void> {
    this.isGone = false;
    await Promise.all(Array.from({ length: clients }, (_, index) => this.#client(index)));
    this.isGone = true;
  }

  async #client(index: number): Promise<void> {
    let refusals = 0;
    for (let attempt = index; refusals < this.#gateways.length; attempt++) {
      const port = this.#gateways[attempt % this.#gateways.length]?.port ?? 0;
      try {
        if (port === 0) throw new Error("It is being started.");
        await this.#tunnel(port);
        refusals = 0;
      } catch (error) {
        const code = error instanceof Error && "code" in error ? error.code : undefined;
        if (code === "quota_exhausted") refusals += 1;
        else await pause(20);
      }
    }
  }

  async #tunnel(port: number): Promise<void> {
    const { username, password } = this.#account;
    const { socket } = await dialThroughConnect({
      proxy: { host: "127.0.0.1", port, username, password },
      target: { host: "127.0.0.1", port: this.#sitePort },
      timeoutMs: 30_000,
    });
    this.tunnels += 1;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.delivered += chunk.length;
    });
    // A gateway that is killed leaves its clients with a plain end.
    socket.on("end", () => socket.destroy());
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
    socket.write("go");
    await closed;
  }
}

/** Looks at the balance all the time: never is more used and reserved than is allowed. */
class Watch {
  worst = 0;
  #running = true;
  readonly #done: Promise<void>;

  constructor(gateways: readonly GatewayProcess[], userId: string) {
    this.#done = this.#look(gateways, userId);
  }

  async #look(gateways: readonly GatewayProcess[], userId: string): Promise<void> {
    while (this.#running) {
      await pause(50);
      const gateway = gateways.find(({ port }) => port > 0);
      const answer = await gateway?.ask({ kind: "balance", userId }, "balance").catch(() => undefined);
      const balance = balanceSchema.safeParse(answer).data;
      if (balance) this.worst = Math.max(this.worst, balance.used + balance.reserved - balance.allowance);
    }
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }
}

async function startSite(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket: Socket) => {
    socket.on("error", () => {});
    const more = () => {
      while (socket.writable && socket.write(CHUNK));
    };
    socket.once("data", more);
    socket.on("drain", more);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { server, port: typeof address === "object" && address ? address.port : 0 };
}
