const MAX_HANDSHAKES = 1_024;
const MAX_PER_ADDRESS = 64;

/** Bounds the TLS handshakes that are under way: they cost the gateway much more than whoever begins them. */
export class HandshakeSlots {
  readonly #byAddress = new Map<string, number>();
  #all = 0;

  /** Takes a slot; false when there is none left for this address. */
  take(address: string): boolean {
    const own = this.#byAddress.get(address) ?? 0;
    if (this.#all >= MAX_HANDSHAKES || own >= MAX_PER_ADDRESS) return false;
    this.#all += 1;
    this.#byAddress.set(address, own + 1);
    return true;
  }

  give(address: string): void {
    const own = this.#byAddress.get(address);
    if (own === undefined) return;
    this.#all -= 1;
    if (own > 1) this.#byAddress.set(address, own - 1);
    else this.#byAddress.delete(address);
  }
}
