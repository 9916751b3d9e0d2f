import type { Attribution } from "@atlantic/shared/control/attribution.ts";

/** A request of which the browser asks its extension which way it goes. */
export interface RoutedRequest {
  /** Negative for what belongs to no tab. */
  readonly tabId: number;
  readonly frameId: number;
  /** As `webRequest` names them: "main_frame", "image", … */
  readonly type: string;
  readonly url: string;
  /** The document that asks; absent for a page that is being loaded. */
  readonly documentUrl?: string;
  /** What started the request: a worker's script, for one. */
  readonly originUrl?: string;
}

export type RequestWay =
  /** Exits are not used: as the browser is set. */
  | { readonly kind: "untouched" }
  | { readonly kind: "refused" }
  /** To the companion, which is told whose it is. */
  | {
      readonly kind: "companion";
      readonly attribution: Attribution;
      readonly host: string;
      readonly port: number;
      readonly secret: string;
    };
