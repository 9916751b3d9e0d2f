import type { Rank } from "@atlantic/shared/blocking/list-rule.ts";
import type { NameRule } from "@atlantic/shared/blocking/name-reason.ts";

/** A file of rules, or rules that stand in no file; one of up to 256 that make a set. */
export interface SetSource {
  readonly by: NameRule["by"];
  /** As `NameRule.source`. */
  readonly id: string;
  /** For people. */
  readonly title: string;
  /** The weight of all its rules; null: each as it says itself. */
  readonly rank: Rank | null;
  /** Each decision is to be told by its name: then none of them is left to the fast path. */
  readonly oneByOne?: boolean;
  readonly rules: { readonly file: string } | { readonly lines: readonly string[] };
}

/** What a list held, when it was read. */
export interface ListContents {
  readonly rules: number;
  /** Lines that were not understood, by reason. */
  readonly notUnderstood: Readonly<Record<string, number>>;
}

/** A rule of a whole name and all below it. */
export function wholeName(name: string, allow: boolean): string {
  return `${allow ? "@@" : ""}||${name}^`;
}
