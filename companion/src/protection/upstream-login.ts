import { genericLogin, PLAIN_LOGIN } from "@atlantic/shared/exits/adapters/generic.ts";
import { oxylabsLogin } from "@atlantic/shared/exits/adapters/oxylabs.ts";
import { formatGatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import type { ExitSelector, ExitSession } from "@atlantic/shared/exits/selector.ts";
import type { ProtectedUpstreamConfig } from "./protection-config.ts";

interface Login {
  readonly username: string;
  readonly password: string;
}

/**
 * The login that asks an upstream for this exit, and for one address while the session lives.
 * @throws ProxyError `no_exit` when the upstream cannot choose by what is asked for
 */
export function upstreamLogin(
  { kind, username, password }: ProtectedUpstreamConfig,
  exit: ExitSelector,
  session: ExitSession | undefined,
): Login {
  switch (kind) {
    case "gateway":
      return { username: formatGatewayUsername({ credential: username, exit, session }), password };
    case "oxylabs":
      return oxylabsLogin({ username, password }, exit, session);
    case "http":
    case "socks5":
      return genericLogin(PLAIN_LOGIN, { username, password }, exit, session);
  }
}
