import { formatAttribution } from "@atlantic/shared/control/attribution.ts";
import type { RequestWay } from "../request-way.ts";

/** What Firefox is answered for a request: `proxy.ProxyInfo`, as far as it is used here. */
export interface SocksProxy {
  readonly type: "socks";
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  /** The proxy resolves names, so that no name is asked for anywhere else. */
  readonly proxyDNS: true;
  /** Requests with different keys share no connection. */
  readonly connectionIsolationKey?: string;
}

/** A port of this computer where only its administrator could listen, and nobody does. */
export const DEAD_END = { host: "127.0.0.1", port: 9 } as const;

/**
 * The proxies that a request is led to, in turn; `undefined` leaves it to the browser.
 *
 * The list ends in null, because Firefox takes a list without one for a wish and goes on with its own settings behind
 * it. Null alone would mean no proxy at all, so what is refused is led to a dead end.
 */
export function proxyChain(way: RequestWay): readonly [SocksProxy, null] | undefined {
  switch (way.kind) {
    case "untouched":
      return undefined;
    case "refused":
      return [{ type: "socks", ...DEAD_END, proxyDNS: true }, null];
    case "companion": {
      const { host, port, secret } = way;
      const username = formatAttribution(way.attribution);
      const login = { username, password: secret, connectionIsolationKey: username };
      return [{ type: "socks", host, port, ...login, proxyDNS: true }, null];
    }
  }
}
