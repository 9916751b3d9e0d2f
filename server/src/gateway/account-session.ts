import type { GatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import type { ExitSession } from "@atlantic/shared/exits/selector.ts";
import type { Identity } from "./authenticator.ts";

/** The id of the session that an account's settings ask for where a user name asks for none. */
const SESSION_ID = "account";

interface Standing {
  readonly minutes: number;
  readonly mode: ExitSession["mode"];
  readonly wish: GatewayUsername;
}

/** Sessions know their wish by its object: the same wish under the same settings is the same object. */
const standing = new WeakMap<GatewayUsername, Standing>();

/** What an identity wishes: as its user name says, and in the account's own session where that names none. */
export function wishOf({
  wish,
  credential,
}: Pick<Identity, "wish"> & {
  readonly credential: Pick<Identity["credential"], "settings">;
}): GatewayUsername {
  const settings = credential.settings?.sessions;
  if (wish.session !== undefined || !settings?.enabled) return wish;
  const { minutes, mode } = settings;
  const known = standing.get(wish);
  if (known && known.minutes === minutes && known.mode === mode) return known.wish;
  const made = { ...wish, session: { id: SESSION_ID, lifetimeMinutes: minutes, mode } };
  standing.set(wish, { minutes, mode, wish: made });
  return made;
}
