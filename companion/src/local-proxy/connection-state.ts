import { randomBytes } from "node:crypto";
import { type Challenge, formatRealm } from "@atlantic/shared/control/attribution.ts";
import { sameSecret } from "../browsers/browser.ts";
import type { Target } from "./open-flows.ts";

/** What one client connection has been asked. A nonce is worth something only on the connection that it was issued on. */
export class ConnectionState {
  #open: { readonly nonce: string; readonly target: Target } | null = null;
  /** Challenges since the connection began. */
  challenges = 0;

  /** Issues a challenge; an earlier one that was not answered is void. */
  challenge(kind: Challenge["kind"], target: Target): string {
    this.challenges += 1;
    this.#open = null;
    if (kind === "steady") return formatRealm({ kind });
    const nonce = randomBytes(16).toString("hex");
    this.#open = { nonce, target };
    return formatRealm({ kind, nonce });
  }

  /** Whether this is the nonce that was issued here for this target and not used yet. It is used up by asking. */
  take(nonce: string, target: Target): boolean {
    const open = this.#open;
    this.#open = null;
    if (!open || open.target.host !== target.host || open.target.port !== target.port) return false;
    return sameSecret(open.nonce, nonce);
  }
}
