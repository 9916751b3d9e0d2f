import { expect, test } from "vitest";
import { readSeenAddress } from "./seen-address.ts";

test.each([
  ["203.0.113.7\n", { address: "203.0.113.7", country: null, asn: null }],
  ['{"address":"203.0.113.7","country":"DE"}', { address: "203.0.113.7", country: "de", asn: null }],
  [
    '{"ip":"2001:db8::1","country":"Germany","country_code":"DE"}',
    { address: "2001:db8::1", country: "de", asn: null },
  ],
  [
    '{"status":true,"data":{"ip":"203.0.113.7","country_code":"US"}}',
    { address: "203.0.113.7", country: "us", asn: null },
  ],
  [
    '{"proxy":{"ip":"203.0.113.7"},"country":{"code":"LT","name":"Lithuania"}}',
    { address: "203.0.113.7", country: "lt", asn: null },
  ],
  [
    '{"ip":"203.0.113.7","providers":{"maxmind":{"country":"FR"}}}',
    { address: "203.0.113.7", country: "fr", asn: null },
  ],
  [
    '{"address":"203.0.113.7","country":"nl","asn":64500}',
    { address: "203.0.113.7", country: "nl", asn: 64_500 },
  ],
  ['{"ip":"203.0.113.7","as":"AS64500"}', { address: "203.0.113.7", country: null, asn: 64_500 }],
  ['{"ip":"not one"}', undefined],
  ["<html>", undefined],
  ["null", undefined],
])("%s", (text, seen) => {
  expect(readSeenAddress(text)).toEqual(seen);
});
