import type { SessionBeginning } from "./shared-sessions.ts";
import type { LiveSession } from "./upstreams/upstream.ts";

/** A session as the gateway keeps it: one address for a while. */
export class StickySession implements LiveSession {
  /** Which session of which credential it is; tells nobody who does not know. */
  readonly name: string;
  readonly key: string;
  readonly lifetimeMinutes: number;
  readonly mode: LiveSession["mode"];
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** How many addresses of this name there were before. */
  readonly number: number;
  /** The upstream that it stays with; undefined until one has carried something for it. */
  upstream: string | undefined;
  /** Its address is gone and it may not have another. */
  lost: boolean;
  /** Another has taken its place. */
  over = false;

  constructor(
    parts: Pick<LiveSession, "key" | "lifetimeMinutes" | "mode"> &
      SessionBeginning & { readonly name: string },
  ) {
    this.name = parts.name;
    this.key = parts.key;
    this.lifetimeMinutes = parts.lifetimeMinutes;
    this.mode = parts.mode;
    this.expiresAt = parts.expiresAt;
    this.number = parts.number;
    this.upstream = parts.upstream;
    this.lost = parts.lost;
  }

  /** Whether it has an address by now that its mode forbids to exchange. */
  get mustStay(): boolean {
    return this.mode !== "flex" && this.upstream !== undefined;
  }

  beginning(): SessionBeginning {
    const { number, expiresAt, lost, upstream } = this;
    return { number, expiresAt, lost, upstream };
  }
}
