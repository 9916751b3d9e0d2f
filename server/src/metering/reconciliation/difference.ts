/** Two books that should say the same and do not. */
export interface Difference {
  readonly book:
    | "events and hours"
    | "events and connections"
    | "hours and balance"
    | "receipts and chain"
    | "receipts and connections"
    | "provider";
  /** The account, credential or upstream. */
  readonly subject: string;
  /** The hour, as ISO 8601, where it is one hour's. */
  readonly hour: string | null;
  /** How far they are apart, in bytes where bytes are compared. */
  readonly delta: string;
  /** For people. */
  readonly sentence: string;
}
