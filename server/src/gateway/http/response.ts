import { ProxyError } from "@atlantic/shared/errors.ts";
import { dateNow } from "./date-now.ts";
import { type Framing, FramingFields } from "./framing.ts";
import type { Head } from "./head.ts";
import { hopFields } from "./hop-fields.ts";
import { ConnectionFields } from "./request.ts";

/** A target's answer as a proxy understands it. */
export interface ProxyResponse {
  readonly version: "1.0" | "1.1";
  readonly status: number;
  readonly reason: string;
  readonly framing: Framing;
  /** Whether the target keeps the connection for another request. */
  readonly keepAlive: boolean;
  /** The fields that go to the client, written out, each line ended; transfer coding and Connection are not among them. */
  readonly onward: string;
  /** The transfer coding as the target named it. */
  readonly coding: string | undefined;
  /** What the target switches to with 101, in lower case. */
  readonly upgrade: string | undefined;
}

/**
 * @param method of the request: HEAD has answers without a body
 * @throws ProxyError `bad_response`
 */
export function readResponse(head: Head, method: string): ProxyResponse {
  const match = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: (.*))?$/.exec(head.startLine);
  if (!match?.[2]) throw new ProxyError("bad_response");
  const version = match[1] === "1" ? "1.1" : "1.0";
  const status = Number(match[2]);
  const connection = new ConnectionFields(head.fields, version);
  const framing = new FramingFields();
  const bodiless = status < 200 || status === 204;
  let upgrade: string | undefined;
  let dated = false;
  let onward = "";
  for (const field of head.fields) {
    switch (field.lower) {
      case "transfer-encoding":
        framing.add(field);
        break;
      case "content-length":
        // Where there is no body it still tells the client something: the length that GET would have. Said once.
        if (framing.length === undefined && !bodiless) onward += `${field.name}: ${field.value}\r\n`;
        framing.add(field);
        break;
      case "upgrade":
        upgrade = field.value.toLowerCase();
        break;
      case "date":
        dated = true;
        onward += `${field.name}: ${field.value}\r\n`;
        break;
      default:
        if (isForClient(field.lower) && !connection.names(field.lower)) {
          onward += `${field.name}: ${field.value}\r\n`;
        }
    }
  }
  const body = framing.ofResponse(status, method);
  return {
    version,
    status,
    reason: match[3] ?? "",
    framing: body,
    keepAlive: connection.keepAlive && body.kind !== "close" && !isFaulty(framing, version),
    // RFC 9110 §6.6.1: whoever passes an answer on dates it when the target did not.
    onward: dated || status < 200 ? onward : `${onward}Date: ${dateNow()}\r\n`,
    coding: framing.coding,
    upgrade,
  };
}

/** What a proxy says in its own name must not come from the target. */
function isForClient(lower: string): boolean {
  return !hopFields.has(lower) && !lower.startsWith("x-atlantic-");
}

/** HTTP/1.0 has no transfer codings: what comes behind such an answer is in doubt (RFC 9112 §6.1). */
function isFaulty(framing: FramingFields, version: "1.0" | "1.1"): boolean {
  return version === "1.0" && framing.coding !== undefined;
}

/** How the answer's end is shown to the client. */
export interface ClientEnd {
  readonly version: "1.0" | "1.1";
  /** Whether the client's connection is kept. */
  readonly keepAlive: boolean;
}

/** The header section for the client. `Via` tells it about this hop (RFC 9110 §7.6.3); targets never see one. */
export function clientHead(response: ProxyResponse, { version, keepAlive }: ClientEnd): string {
  const { status, reason, onward, framing, coding } = response;
  const chunked = framing.kind === "chunked" && version === "1.1" ? `Transfer-Encoding: ${coding}\r\n` : "";
  const connection = keepAlive ? "" : "Connection: close\r\n";
  return `HTTP/1.1 ${status} ${reason}\r\n${onward}${chunked}${connection}${via(response)}\r\n`;
}

/** An interim answer (RFC 9110 §15.2), as it goes to the client. */
export function interimHead({ status, reason, onward }: ProxyResponse): string {
  return `HTTP/1.1 ${status} ${reason}\r\n${onward}\r\n`;
}

/** The answer that turns the connection into a WebSocket. */
export function upgradeHead(response: ProxyResponse): string {
  const { status, reason, onward } = response;
  return `HTTP/1.1 ${status} ${reason}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${onward}${via(response)}\r\n`;
}

/** @param response whose version is the one that this hop received */
function via({ version }: ProxyResponse): string {
  return `Via: ${version} atlantic\r\n`;
}
