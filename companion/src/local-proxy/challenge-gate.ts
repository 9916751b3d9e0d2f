import type { Pending } from "../browsers/pending-requests.ts";

/** The requests of one frame to one host: Chrome shares sockets among them. */
export interface FrameGroup {
  readonly tabId: number;
  readonly frameId: number;
}

/** Whether a challenge for a host may go out now. */
export type GateVerdict =
  /** Nobody that an extension can see asked for this host: a challenge might show the person a dialog. */
  | { readonly kind: "unseen" }
  | { readonly kind: "open" }
  /** These frames have requests for which nobody may answer, and none that could: a helper request is needed in each. */
  | { readonly kind: "helpless"; readonly frames: readonly FrameGroup[] };

/**
 * Chrome binds a challenge to the most urgent request that waits for the tunnel. It fails without a word when that is
 * one for which nobody may answer, so each frame that has such a request must also have one that can answer.
 */
export function judgeGate(pending: readonly Pending[]): GateVerdict {
  if (pending.length === 0) return { kind: "unseen" };
  const frames = [...groupByFrame(pending).values()].filter(
    (group) => group.some((request) => !request.challengeable) && !group.some(canAnswer),
  );
  if (frames.length === 0) return { kind: "open" };
  return { kind: "helpless", frames: frames.flatMap(([first]) => (first ? [frameOf(first)] : [])) };
}

function canAnswer(request: Pending): boolean {
  return request.challengeable && !request.answered;
}

function frameOf({ tabId, frameId }: Pending): FrameGroup {
  return { tabId, frameId };
}

function groupByFrame(pending: readonly Pending[]): Map<string, Pending[]> {
  return Map.groupBy(pending, (request) => `${request.tabId}/${request.frameId}`);
}
