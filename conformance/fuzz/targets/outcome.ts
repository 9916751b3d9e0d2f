import { ProxyError } from "@atlantic/shared/errors.ts";

/** What came of reading: a result, or the code of a declared error. */
export type Outcome<T> = { readonly result: T } | { readonly code: string };

/** Runs a reader that may throw errors of the error table. @throws every other error as it is */
export function outcomeOf<T>(read: () => T): Outcome<T> {
  try {
    return { result: read() };
  } catch (error) {
    if (error instanceof ProxyError && error.code !== "internal") return { code: error.code };
    throw error;
  }
}
