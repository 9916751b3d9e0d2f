import { ProxyError, type ProxyErrorCode } from "../../errors.ts";
import type { ExitSelector } from "../selector.ts";
import type { ProviderAccount, ProviderLogin, ProviderSession } from "./provider-session.ts";

/** Oxylabs residential: one entry for HTTP, HTTPS and SOCKS5. developers.oxylabs.io, "making requests". */
export const OXYLABS_ENTRY = { host: "pr.oxylabs.io", port: 7777 } as const;

/**
 * The login for one connection: the user name carries the exit and the session.
 * @throws ProxyError `no_exit` when the selector asks for what this provider cannot choose by
 */
export function oxylabsLogin(
  account: ProviderAccount,
  exit: ExitSelector,
  session: ProviderSession | undefined,
): ProviderLogin {
  if (exit.ispTier !== undefined) {
    throw new ProxyError("no_exit", "Oxylabs does not choose exits by ISP tier. Leave isp out.");
  }
  const parts = [
    `customer-${account.username}`,
    exit.country && `cc-${exit.country.toUpperCase()}`,
    exit.region && `st-${exit.country}_${exit.region}`,
    exit.city && `city-${exit.city}`,
    exit.postalCode && `postalcode-${exit.postalCode}`,
    exit.asn && `ASN-${exit.asn}`,
    session && sessionPart(session),
  ];
  return { username: parts.filter((part) => part !== undefined).join("-"), password: account.password };
}

/** One address or an error is also what `strict` asks for; only `flex` may get another address. */
function sessionPart({ id, lifetimeMinutes, mode }: ProviderSession): string {
  return mode === "flex" ? `sessid-${id}-sesstime-${lifetimeMinutes}` : `sessid_oneip-${id}`;
}

/** What Oxylabs means by a refusal; `undefined` where it says nothing of its own. */
export function oxylabsRefusal(status: number, text: string): ProxyErrorCode | undefined {
  const words = text.toLowerCase();
  if (status === 525 || words.includes("no exit")) return "no_exit";
  if (words.includes("session failed")) return "session_lost";
  if (status === 407) return "upstream_denied";
  if (status === 403) return "forbidden_target";
  if (status === 504 || status === 522) return "connection_timeout";
  return undefined;
}
