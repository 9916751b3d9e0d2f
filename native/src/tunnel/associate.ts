import type { Socket } from "node:net";
import { type DialPlan, type DialPlanOptions, openPlan } from "../dial-plan.ts";
import { ANYWHERE, socksHandshake, UDP_ASSOCIATE } from "../dial-through-socks5.ts";
import { shakeHands } from "../proxy-handshake.ts";

/**
 * Asks the SOCKS5 proxy of a plan to relay datagrams (RFC 1928 §7). The association ends with the socket.
 * @returns where the proxy takes datagrams; the unspecified address means the proxy's own
 * @throws DialError; `refusal.status` holds the reply code
 */
export async function associateThroughPlan(
  plan: DialPlan,
  options: DialPlanOptions,
): Promise<{ readonly socket: Socket; readonly relay: { readonly host: string; readonly port: number } }> {
  const deadline = performance.now() + options.timeoutMs;
  const socket = await openPlan(plan, options);
  const handshake = socksHandshake(plan.proxy ?? {}, ANYWHERE, UDP_ASSOCIATE);
  const { result } = await shakeHands(socket, handshake, deadline - performance.now(), options.signal);
  return { socket, relay: result };
}
