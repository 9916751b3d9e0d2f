/** How a provider wants its session ids to look. */
export type SessionIdForm =
  | { readonly kind: "text"; readonly alphabet: string; readonly length: number }
  | { readonly kind: "number"; readonly minimum: number; readonly maximum: number };

/** What every provider of text ids takes. */
export const LOWER_ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyz0123456789";

/**
 * A session id in the provider's form, drawn from a digest: the same digest gives the same id.
 *
 * @param digest at least 16 bytes that nobody can guess: an HMAC of the session's key and the upstream's name
 */
export function sessionIdOf(form: SessionIdForm, digest: Uint8Array): string {
  let number = digest.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  if (form.kind === "number") {
    return String(BigInt(form.minimum) + (number % BigInt(form.maximum - form.minimum + 1)));
  }
  const base = BigInt(form.alphabet.length);
  let id = "";
  while (id.length < form.length) {
    id += form.alphabet.charAt(Number(number % base));
    number /= base;
  }
  return id;
}
