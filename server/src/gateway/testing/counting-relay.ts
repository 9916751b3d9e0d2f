import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Passes connections on to a port of this machine and counts every byte on the way. */
export interface CountingRelay {
  readonly port: number;
  /** Bytes of all connections, both directions. */
  counted(): number;
  /** How many connections there were. */
  connections(): number;
  close(): void;
}

export async function startCountingRelay(target: number): Promise<CountingRelay> {
  let bytes = 0;
  let connections = 0;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    connections += 1;
    const far = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (chunk) => {
        bytes += chunk.length;
      });
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroySoon());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    counted: () => bytes,
    connections: () => connections,
    close: () => server.close(),
  };
}
