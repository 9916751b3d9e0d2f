import { ProxyError } from "@atlantic/shared/errors.ts";
import { type Framing, FramingFields } from "./framing.ts";
import { type Field, type Head, isToken, listMembers } from "./head.ts";
import { connectTarget, httpTarget, isHostField, type Target } from "./target.ts";

/** A request as a proxy understands it. */
export interface ProxyRequest {
  readonly method: string;
  readonly version: "1.0" | "1.1";
  readonly target: Target;
  /** `*` or a path with its query; empty for CONNECT. */
  readonly path: string;
  readonly framing: Framing;
  /** Whether the client wants to keep its connection. */
  readonly keepAlive: boolean;
  /** Whether it asks to become a WebSocket. */
  readonly upgrade: boolean;
  /** The value of `Proxy-Authorization`. */
  readonly authorization: string | undefined;
  readonly maxForwards: number | undefined;
  /** The fields that go on, written out, each line ended; Host is not among them. */
  readonly onward: string;
}

/** @throws ProxyError `malformed_request` or `not_implemented` */
export function readRequest(head: Head): ProxyRequest {
  const [method, uri, version] = readStartLine(head.startLine);
  const connection = new ConnectionFields(head.fields, version);
  const framing = new FramingFields();
  let authorization: string | undefined;
  let hosts = 0;
  let upgrade = "";
  let maxForwards: number | undefined;
  let onward = "";
  for (const field of head.fields) {
    switch (field.lower) {
      case "host":
        hosts += 1;
        if (!isHostField(field.value)) throw malformed("The Host field cannot be read.");
        break;
      case "content-length":
      case "transfer-encoding":
        framing.add(field);
        break;
      case "proxy-authorization":
        if (authorization !== undefined) throw malformed("Proxy-Authorization is there twice.");
        authorization = field.value;
        break;
      case "upgrade":
        upgrade = field.value.toLowerCase();
        break;
      case "connection":
      case "keep-alive":
      case "proxy-connection":
      case "proxy-authenticate":
      case "te":
      case "http2-settings":
        break;
      case "max-forwards":
        maxForwards = readMaxForwards(field.value, method);
        if (maxForwards === undefined) onward += line(field);
        break;
      default:
        if (!connection.names(field.lower) && !field.lower.startsWith("x-atlantic-")) onward += line(field);
    }
  }
  if (hosts > 1 || (hosts === 0 && version === "1.1"))
    throw malformed("The request needs exactly one Host field.");
  const isConnect = method === "CONNECT";
  const body = framing.ofRequest(version);
  const wantsWebSocket = upgrade === "websocket" && connection.upgrade && !isConnect;
  return {
    method,
    version,
    ...(isConnect ? { target: connectTarget(uri), path: "" } : readAbsolute(uri, method)),
    framing: body,
    keepAlive: connection.keepAlive,
    upgrade: wantsWebSocket,
    authorization,
    maxForwards,
    onward: onward + framingLine(body) + hopLines(wantsWebSocket, connection.trailers),
  };
}

function readStartLine(text: string): [method: string, uri: string, version: "1.0" | "1.1"] {
  const first = text.indexOf(" ");
  const last = text.lastIndexOf(" ");
  const method = text.slice(0, first);
  const uri = text.slice(first + 1, last);
  const protocol = text.slice(last + 1);
  if (first <= 0 || last <= first + 1 || uri.includes(" ") || uri.includes("\t") || !isKnownMethod(method)) {
    throw malformed("The request line cannot be read.");
  }
  if (protocol === "HTTP/1.1") return [method, uri, "1.1"];
  if (protocol === "HTTP/1.0") return [method, uri, "1.0"];
  throw malformed("Only HTTP/1.1 and HTTP/1.0 are understood.");
}

const usualMethods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "OPTIONS",
  "PATCH",
  "CONNECT",
]);

function isKnownMethod(method: string): boolean {
  return usualMethods.has(method) || isToken(method);
}

const SCHEME = "http://";

/** Reads an absolute-form target (RFC 9112 §3.2.2) into where it goes and what is asked for there. */
function readAbsolute(uri: string, method: string): { target: Target; path: string } {
  if (uri.slice(0, SCHEME.length).toLowerCase() !== SCHEME) {
    if (/^https:/i.test(uri)) throw malformed("Reach https addresses through CONNECT.");
    throw malformed("A proxy needs the whole address in the request line, as in GET http://example.com/.");
  }
  const end = endOfAuthority(uri);
  const target = httpTarget(uri.slice(SCHEME.length, end));
  const rest = uri.slice(end);
  if (rest.includes("#")) throw malformed("The address has a fragment, which is never sent.");
  if (rest === "") return { target, path: method === "OPTIONS" ? "*" : "/" };
  return { target, path: rest.startsWith("/") ? rest : `/${rest}` };
}

function endOfAuthority(uri: string): number {
  for (let at = SCHEME.length; at < uri.length; at++) {
    const code = uri.charCodeAt(at);
    if (code === 0x2f || code === 0x3f || code === 0x23) return at;
  }
  return uri.length;
}

/** What `Connection` says (RFC 9110 §7.6.1). */
export class ConnectionFields {
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  readonly trailers: boolean;
  readonly #named: ReadonlySet<string> | undefined;

  /** @throws ProxyError when a field is named without which the message means another thing */
  constructor(fields: readonly Field[], version: "1.0" | "1.1") {
    const values = fields.filter(({ lower }) => lower === "connection" || lower === "proxy-connection");
    const members = values.flatMap(({ value }) => membersOf(value));
    this.keepAlive = version === "1.1" ? !members.includes("close") : members.includes("keep-alive");
    this.upgrade = members.includes("upgrade");
    this.trailers = fields.some(
      ({ lower, value }) => lower === "te" && listMembers(value).includes("trailers"),
    );
    const named = members.filter((member) => !usualMembers.has(member));
    if (named.some((name) => essentialFields.has(name))) {
      throw malformed("Connection names a field that must go on.");
    }
    this.#named = named.length === 0 ? undefined : new Set(named);
  }

  /** Whether a field is for this hop only. */
  names(lower: string): boolean {
    return this.#named?.has(lower) ?? false;
  }
}

const usualMembers: ReadonlySet<string> = new Set(["close", "keep-alive", "upgrade", "te"]);
const essentialFields: ReadonlySet<string> = new Set(["host", "content-length", "transfer-encoding"]);
const oneMember: ReadonlyMap<string, readonly string[]> = new Map([
  ["keep-alive", ["keep-alive"]],
  ["Keep-Alive", ["keep-alive"]],
  ["close", ["close"]],
]);

function membersOf(value: string): readonly string[] {
  return oneMember.get(value) ?? listMembers(value);
}

/** Only OPTIONS and TRACE count their forwards (RFC 9110 §7.6.2). */
function readMaxForwards(value: string, method: string): number | undefined {
  if (method !== "OPTIONS" && method !== "TRACE") return undefined;
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

function line({ name, value }: Field): string {
  return `${name}: ${value}\r\n`;
}

function framingLine(framing: Framing): string {
  if (framing.kind === "chunked") return "Transfer-Encoding: chunked\r\n";
  return framing.kind === "length" ? `Content-Length: ${framing.length}\r\n` : "";
}

function hopLines(upgrade: boolean, trailers: boolean): string {
  if (upgrade) return "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  return trailers ? "Connection: TE\r\nTE: trailers\r\n" : "";
}

/** The header section for the next hop. Host is the target's, whatever the client sent (RFC 9112 §3.2.2). */
export function onwardHead(request: ProxyRequest): string {
  const { method, path, target, onward, maxForwards } = request;
  const forwards = maxForwards === undefined ? "" : `Max-Forwards: ${maxForwards - 1}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: ${target.authority}\r\n${onward}${forwards}\r\n`;
}

function malformed(detail: string): ProxyError {
  return new ProxyError("malformed_request", detail);
}
