import { expect, test } from "vitest";
import { isLocalTarget } from "./local-target.ts";

test.each([
  "localhost",
  "LOCALHOST.",
  "x.localhost",
  "printer",
  "nas.local",
  "metadata.google.internal",
  "router.home.arpa",
  "127.0.0.1",
  "127.1",
  "0x7f.0.0.1",
  "0x7f000001",
  "2130706433",
  "0.0.0.0",
  "10.1.2.3",
  "100.64.0.1",
  "169.254.169.254",
  "172.31.255.255",
  "192.168.1.1",
  "198.18.0.2",
  "255.255.255.255",
  "::",
  "::1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::7f00:1",
  "0:0:0:0:0:0:0:1",
  "64:ff9b::a00:1",
  "2002:7f00:1::",
  "fd61:746c::1",
  "fe80::1",
  "ff02::1",
])("%s is this machine or its network", (host) => {
  expect(isLocalTarget(host)).toBe(true);
});

test.each([
  "example.com",
  "localhost.example",
  "1.1.1.1",
  "172.32.0.1",
  "::ffff:1.1.1.1",
  "2606:4700::1111",
  "3com.example",
])("%s is elsewhere", (host) => {
  expect(isLocalTarget(host)).toBe(false);
});
