/** What OpenSSL calls a first message that begins as a request of plain HTTP does. */
const plainHttp: ReadonlySet<string> = new Set(["ERR_SSL_HTTP_REQUEST", "ERR_SSL_HTTPS_PROXY_REQUEST"]);

const BODY = "This port speaks TLS. Use https:// in the proxy's address, or the gateway's plain port.\n";

const ANSWER = [
  "HTTP/1.1 400 Bad Request",
  "Content-Type: text/plain; charset=utf-8",
  `Content-Length: ${Buffer.byteLength(BODY)}`,
  "Cache-Control: no-store",
  "Connection: close",
  "",
  BODY,
].join("\r\n");

/** The answer, in plain HTTP, for a handshake that failed because plain HTTP was spoken; null for any other failure. */
export function plainHttpAnswer(failure: Error): string | null {
  return "code" in failure && plainHttp.has(String(failure.code)) ? ANSWER : null;
}
