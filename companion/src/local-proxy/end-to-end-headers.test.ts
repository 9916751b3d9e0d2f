import fc from "fast-check";
import { expect, test } from "vitest";
import { endToEndHeaders } from "./end-to-end-headers.ts";
import { parseTarget } from "./parse-target.ts";
import { parseProxyCredential } from "./proxy-credential.ts";

test("fields keep their order and spelling; those of the connection and those it names are left out", () => {
  const raw = [
    "Host",
    "a",
    "Connection",
    "close, X-One",
    "x-one",
    "1",
    "X-Two",
    "2",
    "X-Atlantic-Tab",
    "secret",
    "Cookie",
    "c",
  ];
  expect(endToEndHeaders(raw, ["host"])).toEqual(["X-Two", "2", "Cookie", "c"]);
});

test("the attribution is left out however it is spelt", () => {
  const spellings = fc
    .array(fc.boolean(), { minLength: 14, maxLength: 14 })
    .map((upper) =>
      [..."x-atlantic-tab"].map((letter, index) => (upper[index] ? letter.toUpperCase() : letter)).join(""),
    );
  fc.assert(
    fc.property(spellings, (name) => {
      expect(endToEndHeaders([name, "secret"])).toEqual([]);
    }),
  );
});

test("a CONNECT names a host and a port, and nothing else", () => {
  expect(parseTarget("Example.test:443")).toEqual({ host: "example.test", port: 443 });
  expect(parseTarget("[2001:db8::1]:8443")).toEqual({ host: "2001:db8::1", port: 8443 });
  for (const text of [
    "",
    "a",
    "a:",
    "a:0",
    "a:65536",
    "a:1x",
    ":443",
    "a/b:1",
    "user@a:1",
    "a b:1",
    "2001:db8::1:443",
  ]) {
    expect(parseTarget(text)).toBeUndefined();
  }
});

test("no text makes the credential reader throw", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (scheme, text) => {
      parseProxyCredential(scheme);
      parseProxyCredential(`Basic ${text}`);
      parseProxyCredential(`Basic ${Buffer.from(text).toString("base64")}`);
    }),
  );
});
