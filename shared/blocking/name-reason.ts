/** What spoke for or against a name. */
export interface NameRule {
  /** "list": a filter list. "user": the person's own word. "policy": the region's policy. "choice": a switch such as that of private relays. */
  readonly by: "list" | "user" | "policy" | "choice";
  /** The list's id, "user", the policy's id and entry, or the choice's name. */
  readonly source: string;
  /** The rule as it stands in the list. */
  readonly rule: string;
  /** Its line, from 1; 0 where it stands in no file. */
  readonly line: number;
}

/** Why a name is answered as it is. Names are lower case, without the last full stop. */
export interface NameReason {
  readonly name: string;
  readonly verdict: "blocked" | "allowed" | "unknown";
  /** Null when no rule speaks of the name. */
  readonly rule: NameRule | null;
  /** The aliases (CNAME) that led from the name to the one that the rule speaks of; empty when it is the name itself. */
  readonly through: readonly string[];
  /** The whole decision in sentences, the last one first to be read. */
  readonly sentences: readonly string[];
}
