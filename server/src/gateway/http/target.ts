import { isIPv6 } from "node:net";
import { ProxyError } from "@atlantic/shared/errors.ts";

/** Where a request wants to go. */
export interface Target {
  /** Lower-case; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** As it belongs into `Host`. */
  readonly authority: string;
}

/** Authorities repeat from request to request: each is read once. */
const known = new Map<string, Target>();
const MAX_KNOWN = 5_000;

/** Reads the authority of an `http` URI; without a port it is 80. @throws ProxyError `malformed_request` */
export function httpTarget(authority: string): Target {
  const found = known.get(authority);
  if (found) return found;
  const target = readAuthority(authority, 80);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(authority, target);
  return target;
}

/** Reads the target of CONNECT, which needs host and port (RFC 9112 §3.2.3). @throws ProxyError `malformed_request` */
export function connectTarget(text: string): Target {
  return readAuthority(text, undefined);
}

function readAuthority(authority: string, defaultPort: number | undefined): Target {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,253}))(?::(\d{0,5}))?$/.exec(authority);
  const host = (match?.[1] ?? match?.[2])?.toLowerCase();
  const port = match?.[3] === undefined || match[3] === "" ? defaultPort : Number(match[3]);
  if (host === undefined) throw malformed("The target's host cannot be read.");
  if (match?.[1] !== undefined && !isIPv6(host)) throw malformed("The target's IPv6 address cannot be read.");
  if (port === undefined) throw malformed("CONNECT needs host and port, as in example.com:443.");
  if (port < 1 || port > 65_535) throw malformed("The target's port must be from 1 to 65535.");
  return { host, port, authority };
}

/** Whether a `Host` field's value is one that a request may have. */
export function isHostField(value: string): boolean {
  return value === "" || /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::\d*)?$/.test(value);
}

function malformed(detail: string): ProxyError {
  return new ProxyError("malformed_request", detail);
}
