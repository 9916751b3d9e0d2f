import { createHmac, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";

/** PKCS #8 and SubjectPublicKeyInfo of an Ed25519 key, before its 32 bytes (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_KEY_BYTES = 32;

/** The server's key for receipts: Ed25519, the same over restarts and on every machine with the same secrets. */
export class ReceiptKey {
  /** 32 bytes in base64, for everybody. */
  readonly publicKey: string;
  readonly #privateKey: KeyObject;

  /** @param secret from which the key is derived */
  constructor(secret: Uint8Array) {
    const seed = createHmac("sha256", secret).update("receipts").digest();
    this.#privateKey = createPrivateKey({
      key: Buffer.concat([PKCS8_PREFIX, seed]),
      format: "der",
      type: "pkcs8",
    });
    const der = createPublicKey(this.#privateKey).export({ format: "der", type: "spki" });
    this.publicKey = der.subarray(-PUBLIC_KEY_BYTES).toString("base64");
  }

  /** Ed25519 over the text in UTF-8, base64. */
  sign(text: string): string {
    return sign(null, Buffer.from(text), this.#privateKey).toString("base64");
  }
}
