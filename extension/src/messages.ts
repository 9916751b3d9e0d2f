import type { ExitView, RouteScope } from "@atlantic/shared/control/messages.ts";
import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import type { Route } from "@atlantic/shared/routing/route.ts";

/** The port a popup or options page opens to the background: it receives models and sends commands. */
export const PAGE_PORT = "page";

/** Where the extension stands with its companion. */
export type Link =
  /** Native messaging found no companion: it is not running, or its host is not registered. */
  | { readonly kind: "absent"; readonly problem: string }
  /** The companion answers but does not know this browser yet. Words are null until it has sent them. */
  | { readonly kind: "unpaired"; readonly words: readonly string[] | null }
  /** It was there and is gone: exits are blocked until it is back. */
  | { readonly kind: "lost"; readonly since: number; readonly problem: string }
  | { readonly kind: "ready" };

/** What decides where a tab goes. */
export type Because = "tab" | "site" | "opener" | "everything" | "off";

/** The tab under the popup. */
export interface TabModel {
  readonly tabId: number;
  /** Registrable domain, or null for a page of the browser itself. */
  readonly site: string | null;
  readonly route: Route;
  readonly because: Because;
  /** Whether what begins now goes this way: a choice is shown before it is carried out. */
  readonly isInForce: boolean;
  /** One sentence that says why this tab goes where it goes. */
  readonly sentence: string;
}

export interface SessionModel {
  readonly startedAt: number;
  readonly expiresAt: number | null;
  /** The address that sites see; null until checked. */
  readonly address: string | null;
  readonly problem: string | null;
}

/** Everything the popup shows. The background sends it whole whenever something in it changed. */
export interface PopupModel {
  readonly link: Link;
  /** Whether exits are used at all. */
  readonly enabled: boolean;
  /** Another extension or an administrator holds the proxy setting; with its remedy. */
  readonly conflict: string | null;
  readonly tab: TabModel | null;
  readonly exits: readonly ExitView[];
  readonly session: SessionModel | null;
  readonly live: { readonly tabs: number; readonly exits: number };
  readonly usage: {
    readonly sentBytes: bigint;
    readonly receivedBytes: bigint;
    readonly remainingBytes: bigint | null;
    readonly allowanceBytes: bigint | null;
  } | null;
  /** The tunnel and the kill switch of the whole computer; null where the companion runs without privilege. */
  readonly protection: ProtectionView | null;
  /** Where programs leave that read the desktop's proxy settings, for people; null where those lead nowhere. */
  readonly programs: string | null;
  /** Whether ads are blocked on the tab's site; missing where there is no site, or nobody to say it. */
  readonly ads?: { readonly site: string; readonly blocked: boolean };
  /** Things the person should know, as sentences. */
  readonly warnings: readonly string[];
  /** Every rule of the person, for the options page: sites by name, then everything. */
  readonly rules?: readonly { readonly scope: RouteScope; readonly route: Route }[];
}

export type PageCommand =
  | { readonly kind: "enable"; readonly on: boolean }
  | { readonly kind: "choose"; readonly scope: RouteScope; readonly route: Route }
  /** Take back the rule of this scope, so that the next wider one decides. */
  | { readonly kind: "forget"; readonly scope: RouteScope }
  | { readonly kind: "rotate" }
  | { readonly kind: "pair"; readonly accepted: boolean }
  | { readonly kind: "retry" }
  /** Block ads on a site, or let them through there. */
  | { readonly kind: "blockAds"; readonly site: string; readonly on: boolean }
  /** Connect the whole computer. No browser may disconnect it. */
  | { readonly kind: "protect" }
  /** Look for leaks now. */
  | { readonly kind: "validate" };

/** What the background posts to a page. Bytes are bigint in the model and decimal text on the port. */
export type PageUpdate =
  | { readonly kind: "model"; readonly json: string }
  /** A command failed: what happened and what to do. */
  | { readonly kind: "problem"; readonly sentence: string };

export function encodeModel(model: PopupModel): PageUpdate {
  const json = JSON.stringify(model, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
  return { kind: "model", json };
}

export function decodeModel(json: string): PopupModel {
  return JSON.parse(json, (_, value) =>
    typeof value === "string" && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
  );
}
