import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A listening web server. */
export interface WebServer {
  readonly port: number;
  /** Answers with this from now on; until then every request is told to come again. */
  serve(handler: RequestListener): void;
  /** Takes no more requests, lets running ones end for a moment, then cuts what is left (live subscriptions). */
  close(): Promise<void>;
}

/** How long a running request may take to end when the server stops. */
const GRACE_MS = 1_000;

/**
 * Listens at once, so that a port in use is known before anything else is started.
 *
 * @throws the listen error, EADDRINUSE among them.
 */
export async function listen(place: { host: string; port: number }): Promise<WebServer> {
  let handler: RequestListener = (_, response) => askToComeAgain(response);
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) =>
    handler(request, response),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(place.port, place.host, () => resolve());
  });
  let closing: Promise<void> | undefined;
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const cut = setTimeout(() => server.closeAllConnections(), GRACE_MS);
    await closed;
    clearTimeout(cut);
  };
  return {
    port: (server.address() as AddressInfo).port,
    serve: (next) => {
      handler = next;
    },
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

function askToComeAgain(response: ServerResponse): void {
  response.writeHead(503, { "retry-after": "1", "content-type": "text/plain" });
  response.end("The server is starting.\n");
}
