import type { Observation, Seen } from "./observe.ts";

/** One thing in which two proxies differ. */
export interface Difference {
  /** `outcome`, or what of which side: `origin field te`, `client body`. */
  readonly what: string;
  readonly ours: string | null;
  readonly peer: string | null;
}

/** Everything in which two observations of one exchange differ. */
export function differencesOf(ours: Observation, peer: Observation): Difference[] {
  if (ours.broken !== null || peer.broken !== null) {
    return ours.broken === peer.broken ? [] : [{ what: "broken", ours: ours.broken, peer: peer.broken }];
  }
  const [one, other] = [outcomeOf(ours), outcomeOf(peer)];
  if (one !== other) return [{ what: "outcome", ours: one, peer: other }];
  // Each proxy's own refusals are its own words.
  if (one !== "sent on") return [];
  return [
    ...sideOf("origin", ours.origin, peer.origin),
    ...sideOf("client", ours.client, peer.client),
    ...different("client interim", ours.interim.join(" "), peer.interim.join(" ")),
  ];
}

function outcomeOf({ origin, client }: Observation): string {
  if (origin !== null) return "sent on";
  return client === null ? "closed" : `refused ${client.startLine.split(" ")[1]?.[0]}xx`;
}

function different(what: string, ours: string | undefined, peer: string | undefined): Difference[] {
  return ours === peer ? [] : [{ what, ours: ours ?? null, peer: peer ?? null }];
}

function sideOf(side: string, ours: Seen | null, peer: Seen | null): Difference[] {
  if (ours === null || peer === null) {
    return different(side, ours === null ? "nothing" : "a message", peer === null ? "nothing" : "a message");
  }
  const names = new Set([...Object.keys(ours.fields), ...Object.keys(peer.fields)]);
  return [
    ...different(`${side} start line`, ours.startLine, peer.startLine),
    ...[...names].flatMap((name) => different(`${side} field ${name}`, ours.fields[name], peer.fields[name])),
    ...different(`${side} body`, ours.body, peer.body),
    ...different(`${side} trailers`, ours.trailers, peer.trailers),
    ...different(`${side} complete`, String(ours.complete), String(peer.complete)),
  ];
}
