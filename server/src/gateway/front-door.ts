import { lookup } from "node:dns/promises";
import { createServer, isIP, type Server } from "node:net";
import { carrierEngine } from "@atlantic/native";
import type { ClientConnections } from "./client-connections.ts";
import type { GatewayContext } from "./context.ts";
import { NativeDoor } from "./native-door/native-door.ts";

/** Where plain clients come in: HTTP and SOCKS5 on one port. */
export interface FrontDoor {
  readonly address: string;
  readonly port: number;
  readonly isOpen: boolean;
  /** What was decided in advance may not hold any more. */
  decideAnew(): void;
  /** Lets nobody in any more; resolves when the port is free. */
  stop(): Promise<void>;
}

export interface FrontDoorParts {
  readonly context: GatewayContext;
  readonly connections: ClientConnections;
  /** Called when it can let nobody in any more although nobody stopped it. */
  readonly onFailure: (error: Error) => void;
}

export interface FrontDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
  /** Whether the native engine may be the door, where there is one. */
  readonly native: boolean;
}

/** @throws the listen error, EADDRINUSE among them */
export async function openFrontDoor(parts: FrontDoorParts, options: FrontDoorOptions): Promise<FrontDoor> {
  const engine = options.native ? carrierEngine() : null;
  if (!engine?.isAlive) return openStreamDoor(parts, options);
  const { port, reusePort } = options;
  const host = isIP(options.host) === 0 ? (await lookup(options.host)).address : options.host;
  const door = new NativeDoor({ engine, ...parts }, { host, port, reusePort });
  let stopped = false;
  const forget = engine.onDeath(() =>
    parts.onFailure(new Error("The native engine has ended: no connection can be carried.")),
  );
  return {
    address: door.address,
    port: door.port,
    get isOpen() {
      return !stopped && engine.isAlive;
    },
    decideAnew: () => door.decideAnew(),
    async stop() {
      if (stopped) return;
      stopped = true;
      forget();
      door.stop();
    },
  };
}

async function openStreamDoor(
  { context, connections, onFailure }: FrontDoorParts,
  { host, port, reusePort }: FrontDoorOptions,
): Promise<FrontDoor> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    // Stays for the socket's life: an error between two owners must not end the process.
    socket.on("error", ignore);
    const client = socket.remoteAddress;
    if (client === undefined) socket.destroy();
    else connections.accept(socket, client, context);
  });
  await listening(server, { port, host, reusePort, backlog: 4_096 });
  server.on("error", onFailure);
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The gateway has no address.");
  return {
    address: address.address,
    port: address.port,
    get isOpen() {
      return server.listening;
    },
    decideAnew: () => {},
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function listening(server: Server, options: Parameters<Server["listen"]>[0] & object): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function ignore(): void {}
