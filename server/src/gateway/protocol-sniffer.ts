import { ProxyError } from "@atlantic/shared/errors.ts";

/** What a client speaks, by its first byte; an error for what is not offered. */
export function firstByteSays(byte: number | undefined): "socks5" | "http" | ProxyError {
  if (byte === 0x05) return "socks5";
  if (byte === 0x04) return new ProxyError("malformed_request", "SOCKS4 is not offered. Use SOCKS5.");
  if (byte === 0x16) return new ProxyError("malformed_request", "TLS is not offered on this port.");
  return "http";
}
