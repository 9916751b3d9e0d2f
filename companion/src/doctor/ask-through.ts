import { request } from "node:http";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { DialError, dialThroughConnect, dialThroughSocks5, type ProxyEndpoint } from "@atlantic/native";
import type { EntryProtocol, ProviderRequest } from "@atlantic/shared/exits/adapters/provider-adapter.ts";
import { readSeenAddress, type SeenAddress } from "./seen-address.ts";

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 100_000;

/** One question to a page through a provider. */
export interface Asking {
  readonly protocol: EntryProtocol;
  readonly asked: ProviderRequest;
  /** Authorities of the provider's own certificate besides the system's. */
  readonly ca?: string | undefined;
  readonly url: URL;
}

/** What the page saw. @throws DialError, or Error with a sentence that holds no secret */
export async function askThrough({ protocol, asked, ca, url }: Asking): Promise<SeenAddress> {
  const target = { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) || defaultPort(url) };
  const dial = protocol === "socks5" ? dialThroughSocks5 : dialThroughConnect;
  const { socket } = await dial({ proxy: endpointOf(protocol, asked, ca), target, timeoutMs: TIMEOUT_MS });
  try {
    const text = await getText(url.protocol === "https:" ? await secured(socket, target.host) : socket, url);
    const seen = readSeenAddress(text);
    if (seen) return seen;
    throw new Error("The page did not answer with an address. Give another one with --check-url.");
  } finally {
    socket.destroy();
  }
}

function endpointOf(protocol: EntryProtocol, asked: ProviderRequest, ca: string | undefined): ProxyEndpoint {
  const { host, port, username, password } = asked;
  return {
    host,
    port,
    ...(username !== undefined && { username, password: password ?? "" }),
    ...(protocol === "https" && { tls: ca === undefined ? true : { ca } }),
  };
}

function defaultPort(url: URL): number {
  return url.protocol === "https:" ? 443 : 80;
}

function secured(socket: Socket, servername: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secure = connectTls({ socket, servername }, () => resolve(secure));
    secure.once("error", (cause) => reject(new DialError("tls_failed", undefined, { cause })));
  });
}

function getText(socket: Socket, url: URL): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        createConnection: () => socket,
        path: `${url.pathname}${url.search}`,
        headers: { host: url.host, accept: "application/json", connection: "close" },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          text += part;
          if (text.length > MAX_ANSWER_BYTES) response.destroy(new Error("The page's answer is too long."));
        });
        response.on("error", reject);
        response.on("end", () => {
          if (response.statusCode === 200) resolve(text);
          else reject(new Error(`The page answered ${response.statusCode ?? "nothing"} through this exit.`));
        });
      },
    );
    // A dialled socket is paused, so that nothing of its first bytes is lost.
    outgoing.on("socket", () => socket.resume());
    outgoing.on("error", reject);
    outgoing.end();
  });
}
