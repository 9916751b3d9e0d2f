/** Rules could not be applied. The message says what happened, what it means and what to do. */
export class FirewallError extends Error {
  override readonly name = "FirewallError";
}
