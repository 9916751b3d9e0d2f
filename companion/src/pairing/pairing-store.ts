import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** A browser that was paired: its token is known by its SHA-256 only. */
export const pairedBrowserSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{12}$/),
  name: z.string().max(100),
  tokenDigest: digest,
  pairedAt: z.int().nonnegative(),
});
export type PairedBrowser = z.infer<typeof pairedBrowserSchema>;

export class PairingStore {
  readonly #paired: PairedBrowser[];
  readonly #changed: () => void;

  constructor(paired: readonly PairedBrowser[], changed: () => void) {
    this.#paired = [...paired];
    this.#changed = changed;
  }

  all(): readonly PairedBrowser[] {
    return this.#paired;
  }

  find(token: string): PairedBrowser | undefined {
    const asked = digestOf(token);
    return this.#paired.find(({ tokenDigest }) => timingSafeEqual(Buffer.from(tokenDigest, "hex"), asked));
  }

  /** Pairing the same token again changes nothing. */
  add(token: string, name: string, pairedAt: number): PairedBrowser {
    const known = this.find(token);
    if (known) return known;
    const tokenDigest = digestOf(token).toString("hex");
    const paired = { id: tokenDigest.slice(0, 12), name, tokenDigest, pairedAt };
    this.#paired.push(paired);
    this.#changed();
    return paired;
  }
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
