import type { BrowserPlan } from "@atlantic/shared/control/messages.ts";
import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import type { ProxyScript } from "@atlantic/shared/routing/pac.ts";
import type { Guard } from "./guard.ts";

/** How the pieces of a request's way are named in a browser: which requests wait, and what its proxy settings say. */
export interface Engine {
  /**
   * Leads all requests of the browser to the companion, or, with null, gives the setting back.
   * With `confirm`, resolves when the browser follows the new setting for every request that begins after.
   * @throws Error when it cannot be shown that it does
   */
  leadTo(script: ProxyScript | null, confirm: boolean): Promise<void>;
  /** Sets which navigations may go on, which wait at the gate, and how plain requests are attributed. */
  setGuard(guard: Guard | null): Promise<void>;
  /** Sets what is blocked by the browser itself. @returns a sentence when it has no room for all of it, or null */
  setFilter(filter: BrowserFilter): Promise<string | null>;
  /** Closes the ways around the proxy (WebRTC, prefetching of names), or gives these settings back. */
  setPrivacy(on: boolean): Promise<void>;
  /** Why the settings above cannot be had, with the remedy; null when they can. */
  conflict(): Promise<string | null>;
}

/** The part of a plan that the person's rules and tabs decide. */
export type Wanted = Pick<BrowserPlan, "routes" | "tabs"> & {
  readonly mode:
    | Extract<BrowserPlan["mode"], { kind: "steady" }>
    | { readonly kind: "attributed"; readonly perRequest: boolean };
};
