import { createHmac, randomBytes, randomInt, timingSafeEqual } from "node:crypto";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** `atl_` and eight letters or digits: a credential's id, and the user name it has at the gateway. */
export function newCredentialId(): string {
  return `atl_${Array.from({ length: 8 }, () => ID_LETTERS[randomInt(ID_LETTERS.length)]).join("")}`;
}

/** A password of 128 random bits: 26 letters of base32 (RFC 4648 §6), in lower case and without padding. */
export function newPassword(): string {
  let bits = BigInt(`0x${randomBytes(16).toString("hex")}`) << 2n;
  let password = "";
  for (let place = 0; place < 26; place++) {
    password = `${BASE32[Number(bits & 31n)]}${password}`;
    bits >>= 5n;
  }
  return password;
}

/**
 * What is stored of a password: HMAC-SHA-256 under the server's key. A slow hash would add nothing to 128 random
 * bits, and would cost every connection 10 ms.
 */
export function passwordHmac(key: Uint8Array, password: string): Uint8Array {
  return createHmac("sha256", key).update(password).digest();
}

/** Whether the password is the one of the stored HMAC, in time that does not depend on where they differ. */
export function isPassword(key: Uint8Array, password: string, stored: Uint8Array): boolean {
  return timingSafeEqual(passwordHmac(key, password), stored);
}
