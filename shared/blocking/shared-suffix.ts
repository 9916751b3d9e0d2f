import { getPublicSuffix } from "tldts";

/**
 * Whether anybody may register names below this one (the Public Suffix List, private entries with it), so that to block it
 * whole would block everybody's, as with `ru.com` or `github.io`.
 * @param name lower case, without the last full stop
 */
export function isSharedSuffix(name: string): boolean {
  return getPublicSuffix(name, { allowPrivateDomains: true }) === name;
}
