import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

/** A listening web server. */
export interface WebServer {
  readonly port: number;
  /** Takes no more requests, lets running ones end for a moment, then cuts what is left (live subscriptions). */
  close(): Promise<void>;
}

/** How long a running request may take to end when the server stops. */
const GRACE_MS = 1_000;

/** @throws the listen error, EADDRINUSE among them. */
export async function listen(
  handler: RequestListener,
  place: { host: string; port: number },
): Promise<WebServer> {
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, handler);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(place.port, place.host, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS);
      await closed;
      clearTimeout(cut);
    },
  };
}
