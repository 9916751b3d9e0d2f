/** Rules could not be applied. The message says what happened, what it means and what to do. */
export class FirewallError extends Error {
  override readonly name = "FirewallError";
}

/** The holder ended before it answered: either the old rules hold or the new ones. */
export class HolderGoneError extends FirewallError {}
