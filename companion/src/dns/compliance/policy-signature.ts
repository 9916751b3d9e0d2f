import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { VerifySignature } from "@atlantic/shared/blocking/policy/policy-file.ts";

const KEY_BYTES = 32;
/** SubjectPublicKeyInfo of an Ed25519 key, before its 32 bytes (RFC 8410). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** Ed25519 of Node. */
export const verifySignature: VerifySignature = (key, text, signature) => {
  const bytes = Buffer.from(key, "base64");
  if (bytes.length !== KEY_BYTES) return false;
  try {
    const publicKey = createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, bytes]),
      format: "der",
      type: "spki",
    });
    return verify(null, Buffer.from(text), publicKey, Buffer.from(signature, "base64"));
  } catch {
    return false;
  }
};

/**
 * Signs with an Ed25519 private key in PEM.
 * @throws Error when it is no such key
 */
export function signPolicy(
  privateKeyPem: string,
  body: string,
): { readonly key: string; readonly signature: string } {
  const privateKey = createPrivateKey(privateKeyPem);
  if (privateKey.asymmetricKeyType !== "ed25519") throw new Error("The key is no Ed25519 key.");
  return {
    key: rawKey(createPublicKey(privateKey)),
    signature: sign(null, Buffer.from(body), privateKey).toString("base64"),
  };
}

function rawKey(publicKey: KeyObject): string {
  const der = publicKey.export({ format: "der", type: "spki" });
  return Buffer.from(der).subarray(SPKI_PREFIX.length).toString("base64");
}
