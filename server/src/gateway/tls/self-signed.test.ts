import { createPrivateKey, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { selfSignedCertificate } from "./self-signed.ts";

const from = new Date("2026-11-23T12:00:00Z");

test("a self-signed certificate is what OpenSSL reads, for its names and addresses and no others", () => {
  const made = selfSignedCertificate(["localhost", "127.0.0.1", "::1", "2001:db8::5"], { from, days: 30 });
  const certificate = new X509Certificate(made.certificate);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.checkPrivateKey(createPrivateKey(made.key))).toBe(true);
  expect(certificate.checkHost("localhost")).toBe("localhost");
  expect(certificate.checkHost("example.com")).toBeUndefined();
  expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect(certificate.checkIP("::1")).toBe("::1");
  expect(certificate.checkIP("2001:db8::5")).toBe("2001:db8::5");
  expect(certificate.checkIP("127.0.0.2")).toBeUndefined();
  expect(certificate.validFromDate).toEqual(from);
  expect(certificate.validToDate).toEqual(new Date("2026-12-23T12:00:00Z"));
  expect(certificate.ca).toBe(false);
});

test("every certificate has a number and a key of its own, and years from 2050 on are written as they must be", () => {
  const [one, two] = [0, 1].map(() => {
    return new X509Certificate(selfSignedCertificate(["a.test"], { from, days: 20_000 }).certificate);
  });
  expect(one?.serialNumber).not.toBe(two?.serialNumber);
  expect(one?.fingerprint256).not.toBe(two?.fingerprint256);
  expect(one?.validToDate.getUTCFullYear()).toBe(2081);
});
