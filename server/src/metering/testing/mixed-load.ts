import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { dialThroughConnect, dialThroughSocks5 } from "@atlantic/native";

/** A connection of the load, as its client sees it. */
export interface ClientWitness {
  readonly address: string;
  readonly kind: "connect" | "socks5" | "half-closed" | "forwarded" | "refused";
  socket: Socket | undefined;
}

interface Gateway {
  readonly port: number;
  readonly username: string;
  readonly password: string;
}

const KINDS = ["connect", "socks5", "half-closed", "forwarded", "refused", "short"] as const;
const WORKERS_EACH = 2;

/** Addresses in turn, so that a connection is known by the one that it is to reach. */
let addresses = 0;
function nextAddress(): string {
  addresses = (addresses + 1) % (250 * 250 * 50);
  const [a, b, c] = [Math.floor(addresses / 62_500) % 50, Math.floor(addresses / 250) % 250, addresses % 250];
  return `127.${60 + a}.${b + 1}.${c + 1}`;
}

/** Opens connections of every kind one after another and keeps them busy, until `stop`. */
export function startMixedLoad(gateway: Gateway, sitePort: number) {
  const witnesses: ClientWitness[] = [];
  let running = true;
  const begin = (kind: ClientWitness["kind"]): ClientWitness => {
    const witness: ClientWitness = { address: nextAddress(), kind, socket: undefined };
    witnesses.push(witness);
    return witness;
  };
  const worker = async (kind: (typeof KINDS)[number]) => {
    while (running) {
      try {
        if (kind === "forwarded") await forward(begin(kind), gateway, sitePort);
        else if (kind === "refused") await beRefused(begin(kind), gateway);
        else if (kind === "short") await tunnel(begin("connect"), gateway, sitePort, 5);
        else await tunnel(begin(kind), gateway, sitePort, Math.random() * 600);
      } catch {
        // The gateway is gone, or going.
        await delay(5);
      }
    }
  };
  const workers = KINDS.flatMap((kind) => Array.from({ length: WORKERS_EACH }, () => worker(kind)));
  return {
    witnesses,
    async stop(): Promise<void> {
      running = false;
      for (const { socket } of witnesses) socket?.destroy();
      await Promise.all(workers);
    },
  };
}

async function tunnel(witness: ClientWitness, gateway: Gateway, port: number, lifeMs: number): Promise<void> {
  const wish = {
    proxy: {
      host: "127.0.0.1",
      port: gateway.port,
      username: `${gateway.username}-cc-de`,
      password: gateway.password,
    },
    target: { host: witness.address, port },
    timeoutMs: 5_000,
  };
  const { socket } = await (witness.kind === "socks5" ? dialThroughSocks5(wish) : dialThroughConnect(wish));
  witness.socket = socket;
  socket.on("error", () => {});
  socket.resume();
  socket.write("tunnel");
  const timer = setInterval(() => {
    if (socket.writable) socket.write(Buffer.alloc(1 + Math.floor(Math.random() * 4_000)));
  }, 15);
  // A half-closed tunnel has said all and goes on listening.
  const over = setTimeout(() => socket.end(), witness.kind === "half-closed" ? 30 : lifeMs);
  await once(socket, "close").finally(() => {
    clearInterval(timer);
    clearTimeout(over);
  });
}

/** Whoever waits for an answer is told when the connection ends instead, which a kill may do without an error. */
function open(witness: ClientWitness, gateway: Gateway) {
  const socket = connect(gateway.port, "127.0.0.1");
  witness.socket = socket;
  const ended = new AbortController();
  socket.on("error", () => {});
  socket.once("close", () => ended.abort());
  return { socket, answer: () => once(socket, "data", { signal: ended.signal }) };
}

async function forward(witness: ClientWitness, gateway: Gateway, port: number): Promise<void> {
  const { socket, answer } = open(witness, gateway);
  const token = Buffer.from(`${gateway.username}-cc-de:${gateway.password}`).toString("base64");
  const host = `${witness.address}:${port}`;
  for (let requests = 0; requests < 20; requests++) {
    socket.write(
      `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Basic ${token}\r\n\r\n`,
    );
    await answer();
    await delay(Math.random() * 20);
  }
  socket.destroy();
}

async function beRefused(witness: ClientWitness, gateway: Gateway): Promise<void> {
  const { socket, answer } = open(witness, gateway);
  const token = Buffer.from(`${gateway.username}-cc-de:${gateway.password}`).toString("base64");
  // Port 1: nobody listens there.
  socket.write(
    `CONNECT ${witness.address}:1 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic ${token}\r\n\r\n`,
  );
  await answer();
  socket.destroy();
  await delay(20);
}
