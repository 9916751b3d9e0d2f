import { styleText } from "node:util";
import type { Breach, ProtectionView } from "@atlantic/shared/control/protection.ts";
import { durationInWords } from "./words.ts";

const states: Record<ProtectionView["state"], string> = {
  open: "open: traffic goes directly, nothing is protected",
  connecting: "connecting: everything is blocked until an upstream answers",
  connected: "connected",
  failover: "connected, and changing over to another upstream: traffic is held",
  disconnecting: "disconnecting: everything is still blocked",
  error: "blocked, because something is wrong",
  locked: "locked: everything is blocked until you connect or unlock",
};

const NOT_BLOCKED = "THE RULES COULD NOT BE PUT UP: nothing is certain to be blocked.";

/** Where the machine's protection stands, line by line. */
export function protectionInWords(view: ProtectionView): string[] {
  const through = view.upstream === null ? "" : ` through ${view.upstream}`;
  const choices = [
    ...(view.lockdown ? ["lockdown is on"] : []),
    ...(view.allowLan ? ["the local network is allowed"] : []),
  ];
  return [
    `${states[view.state]}${through}`,
    ...(view.blockingFailed ? [styleText("red", NOT_BLOCKED)] : []),
    ...(view.problem === null ? [] : [view.problem]),
    ...(choices.length === 0 ? [] : [choices.join(", ")]),
    ...verdictLines(view),
    ...(view.breaches === 0 ? [] : [`${view.breaches} breaches are kept: atlantic leaks`]),
    ...(view.blockedNames === 0 ? [] : [`${view.blockedNames} names were refused by filter lists`]),
  ];
}

function verdictLines({ verdict }: ProtectionView): string[] {
  if (verdict === null) return [];
  const { findings, kept, at } = verdict;
  if (kept) return [`${findings.length} checks held ${durationInWords(Date.now() - at)} ago`];
  return findings.flatMap(({ good, detail }) => (good ? [] : [`BAD: ${detail}`]));
}

/** What was kept of breaches. */
export function breachesInWords(breaches: readonly Breach[]): string {
  if (breaches.length === 0) return "No breach has been seen.";
  return breaches.map(breachInWords).join("\n");
}

function breachInWords({ at, source, state, text, openMs }: Breach): string {
  const open =
    openMs === null
      ? ""
      : openMs === 0
        ? " Nothing could get out."
        : ` Open for ${Math.round(openMs)} ms at most.`;
  return `${new Date(at).toISOString()}  ${source}, while ${state}: ${text}${open}`;
}
