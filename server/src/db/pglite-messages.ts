import type { Statement } from "./statement-batch.ts";

/** With what the thread begins. */
export interface PgliteStart {
  readonly dataDirectory: string;
  /** PGlite's own WebAssembly.Module. */
  readonly program: object;
  /** Further parameters of Postgres's start. */
  readonly settings: readonly string[];
}

/** What the main thread asks for. */
export type PgliteRequest =
  | {
      readonly id: number;
      readonly kind: "query";
      readonly text: string;
      readonly values: readonly unknown[];
      readonly int8AsText: boolean;
    }
  | { readonly id: number; readonly kind: "batch"; readonly statements: readonly Statement[] }
  | { readonly id: number; readonly kind: "exec"; readonly text: string; readonly int8AsText: boolean }
  | { readonly id: number; readonly kind: "listen" | "unlisten"; readonly channel: string }
  | { readonly id: number; readonly kind: "close" };

/** What the thread says. */
export type PgliteAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "notification"; readonly channel: string; readonly payload: string }
  | { readonly kind: "done"; readonly id: number; readonly result: unknown }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly error: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> };
    };
