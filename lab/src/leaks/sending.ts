import type { SentCase } from "./account.ts";
import { senders } from "./compile.ts";
import { describeShape } from "./matrix.ts";
import type { Probers } from "./probers.ts";

const OPEN_FLOW_MS = 5_000;

/** Opens the flows that are to be there before the rules are. Throws when one is not answered. */
export async function openFlows(probers: Probers, cases: readonly SentCase[]): Promise<void> {
  const held = cases.filter(({ sent }) => sent.held);
  for (const sender of senders) {
    const own = held.filter(({ sent }) => sent.sender === sender);
    const probes = own.map(({ sent }) => sent.probe);
    const errors = await probers.by[sender].hold(probes, OPEN_FLOW_MS);
    const failed = own.find(({ sent }) => (errors.get(sent.probe.tag) ?? null) !== null);
    if (failed) {
      const error = errors.get(failed.sent.probe.tag);
      throw new Error(
        `A flow could not be opened before the rules (${error}): ${describeShape(failed.shape)}`,
      );
    }
  }
}

/** Sends every case once, on its flow where it has one. */
export async function sendAll(probers: Probers, cases: readonly SentCase[]): Promise<void> {
  await Promise.all(
    senders.map(async (sender) => {
      const own = cases.filter(({ sent }) => sent.sender === sender);
      if (own.length === 0) return;
      if (own.some(({ sent }) => sent.held)) await probers.by[sender].resume();
      await probers.by[sender].send(own.filter(({ sent }) => !sent.held).map(({ sent }) => sent.probe));
    }),
  );
}

/** Closes all flows that are held. */
export async function dropFlows(probers: Probers): Promise<void> {
  await Promise.all(senders.map((sender) => probers.by[sender].drop()));
}

/** Below are ports of services, above what the kernel hands out by itself (ip_local_port_range). */
const FIRST_TAG = 10_000;
const LAST_TAG = 32_000;
let lastTag = FIRST_TAG;

/** Tags come again after 22,000 of them: far more than a phase sends. */
export function nextTag(): number {
  lastTag = lastTag >= LAST_TAG ? FIRST_TAG : lastTag + 1;
  return lastTag;
}
