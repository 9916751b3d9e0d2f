/** The port that a waiting page opens to the background. */
export const GATE_PORT = "gate";

/** What the gate page asks: may this tab go on to that URL? `sent`: it was sent a form, whose content is lost here. */
export interface GateQuestion {
  readonly url: string;
  readonly sent: boolean;
}

export type GateAnswer =
  /** `probe`: ask for this image first, and go on when it has failed. */
  | { readonly kind: "go"; readonly url: string; readonly probe: string | null }
  /** A form can be sent again now: going back and sending it loses nothing. */
  | { readonly kind: "sendAgain"; readonly sentence: string }
  | { readonly kind: "wait"; readonly sentence: string }
  | { readonly kind: "blocked"; readonly sentence: string };

/** The gate page of this extension. */
export function gateUrl(): string {
  return new URL("/gate.html", location.origin).href;
}
