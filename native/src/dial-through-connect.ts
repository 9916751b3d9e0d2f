import type { Socket } from "node:net";
import { type ProxyErrorCode, proxyErrors } from "@atlantic/shared/errors.ts";
import { DialError, type UpstreamRefusal } from "./dial-error.ts";
import { type DialThroughOptions, type Handshake, throughProxy } from "./proxy-handshake.ts";

/** The proxy's header fields by lower-case name; fields that came more than once are joined by a comma. */
type Headers = ReadonlyMap<string, string>;

/**
 * Opens a tunnel through an HTTP or HTTPS proxy with CONNECT (RFC 9110 §9.3.6).
 * @returns the socket, speaking with the target from its first byte, and the header of the proxy's answer
 * @throws DialError; `refusal` holds what the proxy said
 */
export async function dialThroughConnect(
  options: DialThroughOptions,
): Promise<{ socket: Socket; headers: Headers }> {
  const { socket, result } = await throughProxy(options, connectHandshake(options.proxy, options.target));
  return { socket, headers: result };
}

/** Asks for a tunnel with CONNECT. */
export function connectHandshake(
  proxy: { readonly username?: string; readonly password?: string },
  target: DialThroughOptions["target"],
): Handshake<Headers> {
  return {
    opening: Buffer.from(connectRequest(authorityOf(target), proxy.username, proxy.password), "latin1"),
    read(received) {
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return undefined;
      const answer = parseAnswer(received.toString("latin1", 0, end));
      if (answer.status >= 200 && answer.status < 300) return { used: end + 4, result: answer.headers };
      throw refused(answer);
    },
  };
}

function connectRequest(authority: string, username?: string, password?: string): string {
  const credentials =
    username === undefined
      ? ""
      : `Proxy-Authorization: Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`;
}

/** `host:port`, an IPv6 address in brackets. */
export function authorityOf({ host, port }: { host: string; port: number }): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function parseAnswer(text: string): UpstreamRefusal {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const match = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(statusLine);
  if (!match) throw new DialError("bad_response", "The upstream proxy did not answer in HTTP.");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) throw new DialError("bad_response", "The upstream proxy's header cannot be read.");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return { status: Number(match[1]), reason: match[2] ?? "", headers };
}

const codeOfStatus: Record<number, ProxyErrorCode> = {
  401: "upstream_denied",
  403: "forbidden_target",
  407: "upstream_denied",
  504: "connection_timeout",
};

function refused(refusal: UpstreamRefusal): DialError {
  const code = ownCode(refusal.headers.get("proxy-status")) ?? codeOfStatus[refusal.status];
  const said = `The upstream proxy answered ${refusal.status} ${refusal.reason}`.trim();
  return new DialError(code ?? "upstream_failed", `${said}.`, { refusal });
}

/** The code that a gateway of ours put into `Proxy-Status`: its own member is the last. */
function ownCode(proxyStatus: string | undefined): ProxyErrorCode | undefined {
  const word = /(?:^|, )atlantic; error=[a-z_]+; details="([a-z_]+)(?:[^"\\]|\\.)*"$/.exec(
    proxyStatus ?? "",
  )?.[1];
  if (word === "session_ip_lost") return "session_lost";
  return word !== undefined && Object.hasOwn(proxyErrors, word) ? (word as ProxyErrorCode) : undefined;
}
