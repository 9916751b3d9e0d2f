/**
 * How much a rule's word weighs, the heavier the larger: lists first, the person above them, and the region's policy above
 * all. Even ranks allow, odd ranks block. Four bits in the table of the domain set.
 */
export const RANK = {
  block: 1,
  allow: 2,
  importantBlock: 3,
  importantAllow: 4,
  userBlock: 5,
  userAllow: 6,
  policyBlock: 7,
  policyAllow: 8,
} as const;
export type Rank = (typeof RANK)[keyof typeof RANK];

export function blocks(rank: Rank): boolean {
  return rank % 2 === 1;
}

/** What a line of a list says of names. */
export interface ListRule {
  /** A whole name, or the whole labels at the end of every name that the pattern can match; "" when any. */
  readonly name: string;
  /** Whether `name` itself is meant. */
  readonly self: boolean;
  /** Whether the names below `name` are meant. */
  readonly below: boolean;
  readonly allow: boolean;
  readonly important: boolean;
  /** What must hold besides; null when nothing. */
  readonly condition: RuleCondition | null;
}

export interface RuleCondition {
  /** The name must match; null when any does. */
  readonly pattern: NamePattern | null;
  /** DNS types that are meant (`$dnstype=A`), or that are not (`$dnstype=~A`); null when all are. */
  readonly types: { readonly numbers: readonly number[]; readonly meant: boolean } | null;
  /** Names that, with all below them, are not meant (`$denyallow`). */
  readonly except: readonly string[];
}

/** A wildcard pattern of the Adblock syntax over a name. */
export interface NamePattern {
  /** The parts between the asterisks. */
  readonly parts: readonly string[];
  /** Where the first part must stand: at the name's start, at a label's, or anywhere. */
  readonly start: "name" | "label" | "anywhere";
  /** Whether the last part must stand at the name's end. */
  readonly end: boolean;
}
