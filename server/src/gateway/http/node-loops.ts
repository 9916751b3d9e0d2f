import { ProxyError } from "@atlantic/shared/errors.ts";
import { listMembers } from "./head.ts";

/** Says which of our own nodes a request has come through: each adds its id. Never sent to a target. */
export const NODES_FIELD = "x-atlantic-nodes";

/** A way that is longer than this leads nowhere, whoever forges its list. */
const MAX_NODES = 8;

/**
 * `Via` would say it to the targets as well (RFC 9110 §7.6.3), where nobody may see that there is a proxy.
 * @param nodes the field's value
 * @throws ProxyError `loop`
 */
export function refuseLoops(nodes: string | undefined, nodeId: string): void {
  if (nodes === undefined) return;
  const passed = listMembers(nodes);
  if (passed.length >= MAX_NODES || passed.includes(nodeId)) throw new ProxyError("loop");
}
