import fc from "fast-check";
import { expect, test } from "vitest";
import { isPassword, newCredentialId, newPassword, passwordHmac } from "./credential-secret.ts";

test("an id is atl_ and eight letters or digits, so that it needs no escape in a proxy's user name", () => {
  for (let made = 0; made < 200; made++) expect(newCredentialId()).toMatch(/^atl_[a-z0-9]{8}$/);
});

test("passwords are 26 letters of base32, all different, and every letter occurs", () => {
  const passwords = Array.from({ length: 500 }, newPassword);
  for (const password of passwords) expect(password).toMatch(/^[a-z2-7]{26}$/);
  expect(new Set(passwords).size).toBe(500);
  expect(new Set(passwords.join("")).size).toBe(32);
});

test("a password is its own HMAC's and no other's, under its own key and no other", () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(bytes, bytes, fc.string(), fc.string(), (key, otherKey, password, other) => {
      const stored = passwordHmac(key, password);
      expect(isPassword(key, password, stored)).toBe(true);
      expect(isPassword(key, other, stored)).toBe(other === password);
      if (Buffer.compare(key, otherKey) !== 0) expect(isPassword(otherKey, password, stored)).toBe(false);
    }),
  );
});
