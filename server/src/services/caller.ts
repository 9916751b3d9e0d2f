import { ServiceError } from "./errors.ts";

/** Who asks: a person with a session of the web page, or a program with a gateway credential. */
export type Principal =
  | { readonly kind: "session"; readonly userId: string; readonly sessionId: string }
  | { readonly kind: "credential"; readonly userId: string; readonly credentialId: string };

/** A principal, and from where it asks: for the audit log. */
export interface Caller {
  readonly principal: Principal;
  readonly address: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
}

/** What can be done to an account, each allowed to sessions. */
export type Action =
  | "account.read"
  | "credentials.read"
  | "credentials.change"
  | "limits.read"
  | "limits.change"
  | "exits.read"
  | "proxy.connect"
  | "proxy.explain"
  | "proxy.status"
  | "proxy.disconnect"
  | "connections.read"
  | "usage.summary"
  | "usage.read";

/** What a program may do with a gateway credential: no more than the companion shows. */
const allowedToCredentials: ReadonlySet<Action> = new Set([
  "exits.read",
  "proxy.explain",
  "proxy.status",
  "usage.summary",
]);

/**
 * The account that the caller may do this to: their own. Every query of a service is scoped by what this returns.
 *
 * @throws ServiceError not_allowed
 */
export function authorise(caller: Caller, action: Action): { readonly userId: string } {
  const { principal } = caller;
  if (principal.kind === "session" || allowedToCredentials.has(action)) return { userId: principal.userId };
  throw new ServiceError(
    "not_allowed",
    "A gateway credential may not do this. Sign in to the web page with the account's password.",
  );
}
