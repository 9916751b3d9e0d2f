import { randomBytes } from "node:crypto";
import type { Credential } from "../load/load.ts";

/** A credential for the peers that want one, as long as ours. */
export function newCredential(): Credential {
  return { username: `atl_${randomBytes(4).toString("hex")}`, password: randomBytes(13).toString("hex") };
}
