import { isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { type Canary, type CanaryOutcome, sendCanaries } from "@atlantic/native";
import type { ProtectionFinding } from "@atlantic/shared/control/protection.ts";

/** Sends canaries on a link and tells which got out. */
export type SendCanaries = typeof sendCanaries;

/** Long enough for a packet that is let through to reach its link, on a busy machine too. */
const WAIT_MS = 250;
/** Links that are looked at in one round; a machine with containers has many. */
const MAX_LINKS = 12;

/** Unmarked packets, bound to each physical link, must be refused; on the loopback link they must be seen. */
export async function checkCanaries(
  addresses: readonly string[],
  tunnel: string | null,
  send: SendCanaries = sendCanaries,
): Promise<ProtectionFinding[]> {
  const links = physicalLinks(tunnel);
  const findings = await Promise.all([
    controlFinding(send),
    ...links.map((link) => linkFinding(link, addresses, send)),
  ]);
  return links.length > 0
    ? findings
    : [...findings, { check: "canaries", good: true, detail: "No link is up but the tunnel." }];
}

/** Where nothing is refused every canary must be seen, or it is the watching that fails. */
async function controlFinding(send: SendCanaries): Promise<ProtectionFinding> {
  const check = "canary-control";
  const canaries = canariesTo(["127.0.0.1"]);
  const outcomes = await tried(() => send("lo", canaries, WAIT_MS * 8));
  if (typeof outcomes === "string") return { check, good: false, detail: outcomes };
  const unseen = names(canaries, outcomes, ({ escaped }) => !escaped);
  return unseen.length === 0
    ? { check, good: true, detail: "Canaries that are not refused are seen." }
    : { check, good: false, detail: `Canaries that were not refused were not seen: ${unseen.join(", ")}.` };
}

async function linkFinding(
  link: string,
  addresses: readonly string[],
  send: SendCanaries,
): Promise<ProtectionFinding> {
  const check = `canaries-${link}`;
  const canaries = canariesTo(addresses);
  const outcomes = await tried(() => send(link, canaries, WAIT_MS));
  // It may have been unplugged meanwhile: then nothing can leave by it.
  if (typeof outcomes === "string") return { check, good: !isUp(link), detail: outcomes };
  const escaped = names(canaries, outcomes, (outcome) => outcome.escaped);
  return escaped.length === 0
    ? { check, good: true, detail: `${canaries.length} canaries were refused on ${link}.` }
    : { check, good: false, detail: `Canaries left the machine on ${link}: ${escaped.join(", ")}.` };
}

function canariesTo(addresses: readonly string[]): Canary[] {
  return addresses.flatMap((address) => [
    { kind: "udp", address, port: 53 },
    { kind: "udp", address, port: 443 },
    { kind: "tcp", address, port: 443 },
    { kind: "tcp", address, port: 853 },
    { kind: "raw", address, port: 53 },
  ]);
}

function names(
  canaries: readonly Canary[],
  outcomes: readonly CanaryOutcome[],
  which: (outcome: CanaryOutcome) => boolean,
): string[] {
  return canaries.flatMap(({ kind, address, port }, index) => {
    const outcome = outcomes[index];
    return outcome && which(outcome)
      ? [`${kind} to ${isIPv4(address) ? address : `[${address}]`}:${port}`]
      : [];
  });
}

async function tried(run: () => Promise<CanaryOutcome[]>): Promise<CanaryOutcome[] | string> {
  try {
    return await run();
  } catch (error) {
    return `Canaries could not be sent: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

function physicalLinks(tunnel: string | null): string[] {
  return Object.entries(networkInterfaces())
    .filter(([name, addresses = []]) => name !== tunnel && addresses.some(({ internal }) => !internal))
    .map(([name]) => name)
    .slice(0, MAX_LINKS);
}

function isUp(link: string): boolean {
  return networkInterfaces()[link] !== undefined;
}
