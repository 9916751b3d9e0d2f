import { expect, test } from "vitest";
import { errorText, ProxyError, proxyErrorOf, proxyErrors, proxyStatusValue } from "./errors.ts";

test("every row has a status of its class, a SOCKS5 answer and a sentence that says what to do", () => {
  for (const row of Object.values(proxyErrors)) {
    expect(row.httpStatus).toBeGreaterThanOrEqual(400);
    expect(row.httpStatus).toBeLessThan(600);
    if (typeof row.socks === "number") expect(row.socks).toBeGreaterThan(0);
    expect(row.sentence).toMatch(/^[A-Z].*\. .*\.$/);
  }
});

test("Proxy-Status carries the type of RFC 9209 and our code", () => {
  expect(proxyStatusValue(new ProxyError("quota_exhausted"))).toBe(
    'atlantic; error=http_request_denied; details="quota_exhausted"',
  );
  expect(proxyStatusValue(new ProxyError("session_lost"))).toBe(
    'atlantic; error=connection_terminated; details="session_ip_lost"',
  );
});

test("no detail can break out of the header or its quotes", () => {
  const value = proxyStatusValue(new ProxyError("bad_username", 'a"b\\c\r\nd\u00e9'));
  expect(value).toBe(String.raw`atlantic; error=http_request_error; details="bad_username: a\"b\\c??d?"`);
});

test("what has no row is our fault, and its text stays inside", () => {
  const error = proxyErrorOf(new Error("password=secret"));
  expect(error.code).toBe("internal");
  expect(errorText(error)).toBe(proxyErrors.internal.sentence);
});
