import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { parseGatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import { portOf } from "../port-of.ts";

export interface ExitProxy {
  readonly port: number;
  /** User names that it was shown, in order. */
  readonly logins: string[];
  /** Answers every request with this status while it is set. */
  refuseWith: number | null;
  close(): void;
}

/**
 * An upstream for tests, spoken to as the gateway is: the country in the user name decides the source address
 * (us 127.1.1.x, de 127.1.2.x, jp 127.1.3.x; x from the session), and every name leads to `sites`' loopback ports.
 */
export async function startExitProxy(sites: Record<string, number>): Promise<ExitProxy> {
  const logins: string[] = [];
  const server = createServer((request, response) => {
    const localAddress = admit(request.headers["proxy-authorization"]);
    if (localAddress === undefined) return void response.writeHead(proxy.refuseWith ?? 407).end("refused\n");
    const url = new URL(request.url ?? "");
    const { "proxy-authorization": _, ...headers } = request.headers;
    const outgoing = httpRequest(
      {
        host: "127.0.0.1",
        port: sites[`${url.hostname}:${url.port || 80}`] ?? 1,
        localAddress,
        method: request.method,
        path: url.pathname + url.search,
        headers,
      },
      (incoming) => {
        response.writeHead(incoming.statusCode ?? 502, incoming.headers);
        incoming.pipe(response);
      },
    );
    outgoing.on("error", () => response.destroy());
    request.pipe(outgoing);
  });
  server.on("connect", (request, client: Socket, head: Buffer) => {
    client.on("error", () => {});
    const localAddress = admit(request.headers["proxy-authorization"]);
    const port = sites[request.url ?? ""];
    if (localAddress === undefined || port === undefined) {
      return void client.end(`HTTP/1.1 ${proxy.refuseWith ?? 502} Refused\r\nContent-Length: 0\r\n\r\n`);
    }
    const site = connect({ host: "127.0.0.1", port, localAddress });
    site.on("error", () => client.destroy());
    site.once("connect", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      site.write(head);
      site.pipe(client);
      client.pipe(site);
    });
    client.on("close", () => site.destroy());
    site.on("close", () => client.destroy());
  });

  function admit(authorization: string | undefined): string | undefined {
    const text = Buffer.from((authorization ?? "").replace(/^Basic /, ""), "base64").toString();
    const login = text.slice(0, text.indexOf(":"));
    logins.push(login);
    const read = parseGatewayUsername(login);
    if (proxy.refuseWith !== null || "problem" in read) return undefined;
    return sourceAddress(read.exit.country, read.session?.id ?? "");
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: ExitProxy = {
    port: portOf(server),
    logins,
    refuseWith: null,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return proxy;
}

function sourceAddress(country: string | undefined, session: string): string | undefined {
  const network = { us: 1, de: 2, jp: 3 }[country ?? ""];
  let hash = 0;
  for (const character of session) hash = (hash * 31 + character.charCodeAt(0)) % 250;
  return network === undefined ? undefined : `127.1.${network}.${hash + 1}`;
}
