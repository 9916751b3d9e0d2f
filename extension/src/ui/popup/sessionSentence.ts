import type { PopupModel } from "../../messages.ts";

/** How long sites see the same address: "Same address for 7:42 more". */
export function sessionSentence(model: PopupModel, now: number): string {
  const { session, tab } = model;
  if (!session) {
    return tab?.route.kind === "exit" && model.enabled ? "No address yet" : "No exit, no session";
  }
  if (session.expiresAt === null) return "Address can change any time";
  const left = session.expiresAt - now;
  return left > 0 ? `Same address for ${clock(left)} more` : "The address may change now";
}

/** A duration in milliseconds as minutes and seconds, or hours, minutes and seconds: "7:42", "1:07:42". */
function clock(duration: number): string {
  const seconds = Math.floor(duration / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, index) => (index === 0 ? `${part}` : `${part}`.padStart(2, "0"))).join(":");
}
