import { once } from "node:events";
import { createServer } from "node:net";

/** Where every name leads for a browser that goes past its proxy: whoever comes here went direct. */
export interface Tripwire {
  readonly port: number;
  readonly visits: () => number;
  close(): void;
}

export async function setTripwire(): Promise<Tripwire> {
  let visits = 0;
  const server = createServer((socket) => {
    visits += 1;
    socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    visits: () => visits,
    close: () => void server.close(),
  };
}
