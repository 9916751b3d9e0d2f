import { createHmac } from "node:crypto";
import type { BoundProvider } from "@atlantic/shared/exits/adapters/provider-adapter.ts";
import type { ProviderSession } from "@atlantic/shared/exits/adapters/provider-session.ts";
import { sessionIdOf } from "@atlantic/shared/exits/adapters/session-id.ts";
import type { LiveSession } from "./upstream.ts";

/**
 * The session as an upstream is told of it: stable for the session's life, another for each upstream and each
 * credential, and not to be guessed by whoever knows the others.
 * `undefined` where the upstream has no sessions.
 */
export function providerSessionOf(
  { session: rules }: Pick<BoundProvider, "session">,
  upstreamName: string,
  session: Pick<LiveSession, "key" | "lifetimeMinutes" | "mode">,
): ProviderSession | undefined {
  if (rules === null) return undefined;
  const digest = createHmac("sha256", session.key).update(upstreamName).digest();
  const { lifetimeMinutes, mode } = session;
  return { id: sessionIdOf(rules.id, digest), lifetimeMinutes, mode };
}
