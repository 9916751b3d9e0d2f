/** An error whose message is one sentence for people: what happened and what to do. */
export class ClearError extends Error {
  override readonly name = "ClearError";
}
