import { accept, flowMark, goOn, isReply, kind, mark, rule } from "./build-rule.ts";
import { ANSWER_MARK, CONTAINER_MARK } from "./policy.ts";
import type { Rule } from "./rule-set.ts";

/** Kinds of link behind which containers and virtual machines of this machine live. */
export const INTERNAL_KINDS = ["bridge", "veth"] as const;

/**
 * Marks the flows of containers before they are forwarded or refused, so that what the kernel has to say of them (a
 * reset, an ICMP error) goes back. It quotes the packet that it is about: one with a false source would make it carry
 * data to whomever the container names. So only those flows count that come from where their answers go. The packet's
 * own mark tells routing the same of the answer, and is passed on to a reset (fwmark_reflect): the kernel hands that of
 * a bridged packet to the link past all chains of the IP stack.
 */
export const ownContainerFlows: readonly Rule[] = [
  ...INTERNAL_KINDS.map((name) =>
    rule(`from behind a ${name}`, [kind(name), mark(0)], goOn, [{ do: "mark", mark: ANSWER_MARK }]),
  ),
  rule("from where its answers go", [mark(ANSWER_MARK), flowMark(0), { is: "back-by-its-link" }], goOn, [
    { do: "flow-mark", mark: CONTAINER_MARK },
  ]),
];

/** What the kernel itself says of a container's flow: it belongs to the flow, and is none of its packets. */
export const refusalsToContainers: Rule = rule(
  "refusals to containers",
  [flowMark(CONTAINER_MARK), isReply, { is: "flow-state", states: ["related"] }],
  accept,
);

export const answersToContainers: Rule = rule(
  "answers to containers",
  [flowMark(ANSWER_MARK), isReply],
  accept,
);

function turned(of: number, what: string): Rule {
  return rule(`${what} to containers, by their link`, [flowMark(of), isReply], goOn, [
    { do: "mark", mark: ANSWER_MARK },
  ]);
}

/** Turns what goes back to containers to their link, where all other traffic is led into the device. */
export const answersTurned: Rule = turned(ANSWER_MARK, "answers");
export const forwardedTurned: Rule = turned(CONTAINER_MARK, "answers");
