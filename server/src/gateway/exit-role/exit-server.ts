import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Logger } from "pino";
import { TargetGuard, type TargetRules } from "../target-guard.ts";
import { readCertificate } from "../tls/certificate.ts";
import type { ExitFile } from "./exit-configuration.ts";
import { ExitConnection, type ExitContext } from "./exit-connection.ts";
import { ExitTokens } from "./exit-token.ts";

/** How long a connection may be open without having asked for a flow: gateways open some ahead of their use. */
const SILENT_MS = 30_000;
const SWEEP_MS = 1_000;

export interface ExitServer {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Carries flows of our own gateways on from this machine's addresses. It knows nothing of accounts: whoever holds the
 * key is a gateway, and everybody else is refused before anything is dialled.
 * @throws the listen error, or a CertificateError
 */
export async function startExitServer(options: {
  readonly host: string;
  readonly port: number;
  readonly file: ExitFile;
  readonly logger: Logger;
  /** What may be dialled besides what the file allows. */
  readonly targets?: TargetRules;
  /** How long a connection may be open without having asked for a flow, in milliseconds. Default: 30 seconds. */
  readonly silentMs?: number;
}): Promise<ExitServer> {
  const { file, logger, targets } = options;
  const key = Buffer.from(file.key, "base64url");
  const guard = new TargetGuard({ ...targets, allow: [...file.allowTargets, ...(targets?.allow ?? [])] });
  const context = { key, guard, tokens: new ExitTokens(key), addresses: new Set(file.addresses) };
  const sockets = new OpenSockets(options.silentMs ?? SILENT_MS);
  const accept = (socket: Socket) => sockets.accept(socket, context);
  const server = await newServer(file, accept, (socket) => sockets.hold(socket));
  server.maxConnections = file.maxConnections;
  await listening(server, options);
  server.on("error", (error) => logger.error({ err: error }, "exit cannot accept"));
  const sweeper = setInterval(() => sockets.sweep(), SWEEP_MS).unref();
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The exit has no address.");
  guard.addOwnPort(address.port);
  return {
    host: address.address,
    port: address.port,
    async close() {
      clearInterval(sweeper);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      sockets.destroy();
      await closed;
    },
  };
}

async function newServer(
  { tls }: ExitFile,
  accept: (socket: Socket) => void,
  hold: (socket: Socket) => void,
): Promise<Server> {
  const sockets = { allowHalfOpen: true, noDelay: true };
  if (tls === undefined) return createServer(sockets, accept);
  const { certificate, key } = await readCertificate(tls);
  const server = createTlsServer(
    { ...sockets, cert: certificate, key, handshakeTimeout: SILENT_MS, ALPNProtocols: ["http/1.1"] },
    accept,
  );
  server.on("connection", hold);
  server.on("tlsClientError", (_, socket) => socket.destroy());
  return server;
}

function listening(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, backlog: 1_024 }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** The connections that are open, and since when those are that have not asked for a flow with the right key. */
class OpenSockets {
  readonly #silent = new Map<Socket, number>();
  readonly #all = new Set<Socket>();
  readonly #silentMs: number;

  constructor(silentMs: number) {
    this.#silentMs = silentMs;
  }

  hold(socket: Socket): void {
    socket.on("error", () => {});
    this.#all.add(socket);
    socket.once("close", () => this.#all.delete(socket));
  }

  accept(socket: Socket, context: ExitContext): void {
    this.hold(socket);
    this.#silent.set(socket, performance.now());
    const asked = () => void this.#silent.delete(socket);
    socket.once("close", asked);
    new ExitConnection(socket, context, asked);
  }

  sweep(): void {
    const due = performance.now() - this.#silentMs;
    for (const [socket, since] of this.#silent) {
      if (since > due) return;
      socket.destroy();
    }
  }

  destroy(): void {
    for (const socket of this.#all) socket.destroy();
  }
}
