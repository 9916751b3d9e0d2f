import type { DialPlan } from "@atlantic/native";
import { proxyErrorOf } from "@atlantic/shared/errors.ts";
import type { CheckedTarget } from "../target-guard.ts";
import type { ChosenExit } from "../upstreams/upstream.ts";
import { rawClient } from "./raw-client.ts";

/** What tests of clients need that the engine begins to carry before it is decided about them. */

/** On a slow machine a decision may have ended before it is made use of: then it is tried again. */
export const LATE = { timeout: 25_000 };

/** A moment in which the engine's thread goes on and this one does not. */
export function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
}

/** What the engine tells comes in order: whoever asks now is refused after all others were decided about. */
export async function allAreDecidedAbout(gatewayPort: number): Promise<void> {
  const client = await rawClient(gatewayPort);
  // A TLS greeting, which is refused at once.
  client.send("\x16");
  await client.ended();
  client.socket.destroy();
}

export function exitBy(upstream: string, plan: ChosenExit["plan"]): ChosenExit {
  const nowhere = { country: null, city: null, label: null, address: null };
  return { upstream, key: upstream, ...nowhere, plan, explain: proxyErrorOf };
}

export function direct({ addresses, addressPort }: CheckedTarget): DialPlan {
  return { addresses, port: addressPort };
}

/** Through a proxy of this machine, spoken TLS to where that is given. */
export function proxyAt(
  port: number,
  { host, port: to }: CheckedTarget,
  tls?: { readonly serverName: string },
): DialPlan {
  const proxy = { protocol: "connect" as const, target: { host, port: to }, ...(tls && { tls }) };
  return { addresses: ["127.0.0.1"], port, proxy };
}
