import { TRPCClientError } from "@trpc/client";

/** Why something did not work, for people: what happened and what to do. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** Whether the server said that nobody is signed in. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof TRPCClientError && error.data?.code === "UNAUTHORIZED";
}

/** Whether the server could not be asked at all. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof TRPCClientError && error.cause instanceof TypeError);
}

/** The sentence that says what happened and what to do. */
export function sentenceOf(error: unknown): string {
  if (isUnreachable(error)) {
    return "The server does not answer. Check that npm start is still running, then try again.";
  }
  if (isSignedOut(error)) return "Your session has ended. Sign in again to go on.";
  if (error instanceof Failure || error instanceof TRPCClientError) return error.message;
  return "This page failed at that. Load it again; if it stays, look into the server's log.";
}
