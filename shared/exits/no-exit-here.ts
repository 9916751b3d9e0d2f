import { formatGatewayUsername } from "./gateway-username.ts";
import type { ExitSelector } from "./selector.ts";

/** What was asked for, in the user name's spelling: for a refusal where no upstream says itself what it lacks. */
export function noExitHere(exit: ExitSelector): string {
  const parts = formatGatewayUsername({ credential: "", exit, session: undefined }).slice(1);
  return parts === "" ? "There is no upstream." : `No upstream here has ${parts}.`;
}
