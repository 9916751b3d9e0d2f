import { ProxyError } from "@atlantic/shared/errors.ts";
import { isOptionField } from "@atlantic/shared/exits/request-options.ts";
import type { AddedFields } from "../flow-limits.ts";
import { type Framing, FramingFields } from "./framing.ts";
import { type Field, type Head, isToken, listMembers } from "./head.ts";
import { hopFields } from "./hop-fields.ts";
import { NODES_FIELD } from "./node-loops.ts";
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
  /** Whether the client waits for an interim answer before it sends the body (RFC 9110 §10.1.1). */
  readonly expectsContinue: boolean;
  /** The nodes of ours that it has come through, as they name themselves. */
  readonly nodes: string | undefined;
  /** The fields by which it asks for an exit; undefined where there are none. */
  readonly optionFields: readonly Field[] | undefined;
  /** The value of `Proxy-Authorization`. */
  readonly authorization: string | undefined;
  readonly maxForwards: number | undefined;
  /** The fields that go on, written out, each line ended; Host is not among them. */
  readonly onward: string;
}

/** @throws ProxyError `malformed_request` or `not_implemented` */
export function readRequest(head: Head): ProxyRequest {
  const [method, uri, version] = readStartLine(head.startLine);
  const connection = new ConnectionFields(head.fields, version, true);
  const framing = new FramingFields();
  let authorization: string | undefined;
  let hosts = 0;
  let upgrade = "";
  let maxForwards: number | undefined;
  let expectsContinue = false;
  let nodes: string | undefined;
  let optionFields: Field[] | undefined;
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
      case NODES_FIELD:
        nodes = field.value;
        break;
      case "expect":
        // A client of HTTP/1.0 waits for nothing: its expectation is ignored.
        if (version === "1.0" || connection.names("expect")) break;
        expectsContinue = field.value.toLowerCase() === "100-continue";
        onward += line(field);
        break;
      case "max-forwards":
        maxForwards = readMaxForwards(field.value, method);
        if (maxForwards === undefined) onward += line(field);
        break;
      default:
        if (field.lower.startsWith("x-atlantic-") && isOptionField(field.lower)) {
          optionFields ??= [];
          optionFields.push(field);
        } else if (!hopFields.has(field.lower) && !connection.names(field.lower)) onward += line(field);
    }
  }
  if (hosts > 1 || (hosts === 0 && version === "1.1"))
    throw malformed("The request needs exactly one Host field.");
  const isConnect = method === "CONNECT";
  const body = framing.ofRequest(version);
  if (body.kind !== "none" && (isConnect || method === "TRACE")) {
    throw malformed(`${method} has no body.`);
  }
  const wantsWebSocket = upgrade === "websocket" && connection.upgrade && !isConnect;
  return {
    method,
    version,
    ...(isConnect ? { target: connectTarget(uri), path: "" } : readAbsolute(uri, method)),
    framing: body,
    // A proxy keeps no connection with a client of HTTP/1.0 (RFC 9112 §9.3).
    keepAlive: connection.keepAlive && version === "1.1",
    upgrade: wantsWebSocket,
    expectsContinue: expectsContinue && body.kind !== "none",
    nodes,
    optionFields,
    authorization,
    maxForwards,
    onward: onward + framingLine(body, framing.length) + hopLines(wantsWebSocket, connection.trailers),
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
  // A higher minor version is understood as the highest one that is known (RFC 9110 §2.5).
  if (/^HTTP\/1\.[2-9]$/.test(protocol)) return [method, uri, "1.1"];
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
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(uri)) throw malformed("Only http addresses can be forwarded.");
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

/** The fields by which it asks for an exit, as one text: two requests with the same ask for the same. */
export function optionsText({ optionFields }: ProxyRequest): string {
  return optionFields === undefined ? "" : optionFields.map(line).sort().join("");
}

/** What `Connection` says (RFC 9110 §7.6.1). */
export class ConnectionFields {
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  readonly trailers: boolean;
  readonly #named: ReadonlySet<string> | undefined;

  /**
   * @param strict refuse what is no list of names; there are targets that write more
   * @throws ProxyError when a field is named without which the message means another thing
   */
  constructor(fields: readonly Field[], version: "1.0" | "1.1", strict = false) {
    const values = fields.filter(({ lower }) => lower === "connection" || lower === "proxy-connection");
    const members = values.flatMap(({ value }) => membersOf(value));
    this.keepAlive = version === "1.1" ? !members.includes("close") : members.includes("keep-alive");
    this.upgrade = members.includes("upgrade");
    this.trailers = fields.some(
      ({ lower, value }) => lower === "te" && listMembers(value).includes("trailers"),
    );
    const named = members.filter((member) => !usualMembers.has(member));
    if (strict && !named.every(isToken)) throw malformed("Connection cannot be read.");
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

/** A length of 0 goes on too: there are origins that want one with every POST (RFC 9110 §8.6). */
function framingLine(framing: Framing, length: number | undefined): string {
  if (framing.kind === "chunked") return "Transfer-Encoding: chunked\r\n";
  return length === undefined ? "" : `Content-Length: ${length}\r\n`;
}

function hopLines(upgrade: boolean, trailers: boolean): string {
  if (upgrade) return "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  return trailers ? "Connection: TE\r\nTE: trailers\r\n" : "";
}

/**
 * The header section for the next hop. Host is the target's, whatever the client sent (RFC 9112 §3.2.2).
 * @param added the account's own fields, in place of the client's
 */
export function onwardHead(request: ProxyRequest, added?: AddedFields): string {
  const { method, path, target, maxForwards } = request;
  const onward = added ? withAdded(request.onward, added) : request.onward;
  const forwards = maxForwards === undefined ? "" : `Max-Forwards: ${maxForwards - 1}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: ${target.authority}\r\n${onward}${forwards}\r\n`;
}

function withAdded(onward: string, { names, bytes }: AddedFields): string {
  const kept = onward
    .split("\r\n")
    .filter((text) => text !== "" && !names.has(text.slice(0, text.indexOf(":")).toLowerCase()));
  return `${kept.map((text) => `${text}\r\n`).join("")}${bytes.toString("latin1")}`;
}

function malformed(detail: string): ProxyError {
  return new ProxyError("malformed_request", detail);
}
