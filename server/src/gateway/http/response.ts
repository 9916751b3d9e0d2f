import { ProxyError } from "@atlantic/shared/errors.ts";
import { type Framing, FramingFields } from "./framing.ts";
import type { Head } from "./head.ts";
import { ConnectionFields } from "./request.ts";

/** A target's answer as a proxy understands it. */
export interface ProxyResponse {
  readonly status: number;
  readonly reason: string;
  readonly framing: Framing;
  /** Whether the target keeps the connection for another request. */
  readonly keepAlive: boolean;
  /** The fields that go to the client, written out, each line ended; framing and Connection are not among them. */
  readonly onward: string;
  /** The transfer coding as the target named it. */
  readonly coding: string | undefined;
}

/**
 * @param method of the request: HEAD has answers without a body
 * @throws ProxyError `bad_response`
 */
export function readResponse(head: Head, method: string): ProxyResponse {
  const match = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: (.*))?$/.exec(head.startLine);
  if (!match?.[2]) throw new ProxyError("bad_response");
  const status = Number(match[2]);
  const connection = new ConnectionFields(head.fields, match[1] === "1" ? "1.1" : "1.0");
  const framing = new FramingFields();
  let onward = "";
  for (const field of head.fields) {
    switch (field.lower) {
      case "transfer-encoding":
        framing.add(field);
        break;
      case "content-length":
        framing.add(field);
        // Where there is no body it still tells the client something: the length that GET would have.
        onward += `${field.name}: ${field.value}\r\n`;
        break;
      case "connection":
      case "keep-alive":
      case "proxy-connection":
      case "proxy-authenticate":
      case "proxy-authorization":
      case "te":
      case "upgrade":
      case "trailer":
        break;
      default:
        if (!connection.names(field.lower)) onward += `${field.name}: ${field.value}\r\n`;
    }
  }
  const body = framing.ofResponse(status, method);
  return {
    status,
    reason: match[3] ?? "",
    framing: body,
    keepAlive: connection.keepAlive && body.kind !== "close",
    onward,
    coding: framing.coding,
  };
}

/** How the answer's end is shown to the client. */
export interface ClientEnd {
  readonly version: "1.0" | "1.1";
  /** Whether the client's connection is kept. */
  readonly keepAlive: boolean;
}

/** The header section for the client. `Via` tells it about this hop; targets never see one. */
export function clientHead(response: ProxyResponse, { version, keepAlive }: ClientEnd): string {
  const { status, reason, onward, framing, coding } = response;
  const chunked = framing.kind === "chunked" && version === "1.1" ? `Transfer-Encoding: ${coding}\r\n` : "";
  const kept = version === "1.0" ? "Connection: keep-alive\r\n" : "";
  const connection = keepAlive ? kept : "Connection: close\r\n";
  return `HTTP/1.1 ${status} ${reason}\r\n${onward}${chunked}${connection}Via: 1.1 atlantic\r\n\r\n`;
}

/** An interim answer (RFC 9110 §15.2), as it goes to the client. */
export function interimHead({ status, reason, onward }: ProxyResponse): string {
  return `HTTP/1.1 ${status} ${reason}\r\n${onward}\r\n`;
}

/** The answer that turns the connection into a WebSocket. */
export function upgradeHead({ status, reason, onward }: ProxyResponse): string {
  return `HTTP/1.1 ${status} ${reason}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${onward}\r\n`;
}
