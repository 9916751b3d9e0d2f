import { ProxyError } from "@atlantic/shared/errors.ts";
import {
  mergeOptions,
  type RequestField,
  readRequestOptions,
} from "@atlantic/shared/exits/request-options.ts";
import type { Identity } from "../authenticator.ts";

/**
 * What the user name and the request's `X-Atlantic-*` fields ask for together.
 * @throws ProxyError `bad_username` when a field cannot be read, or says something else than the user name
 */
export function askedExit(identity: Identity, fields: readonly RequestField[] | undefined): Identity {
  const options = fields === undefined ? undefined : readRequestOptions(fields);
  if (options === undefined) return identity;
  if ("problem" in options) throw new ProxyError("bad_username", options.problem);
  const wish = mergeOptions(identity.wish, options);
  if ("problem" in wish) throw new ProxyError("bad_username", wish.problem);
  return { ...identity, wish };
}
