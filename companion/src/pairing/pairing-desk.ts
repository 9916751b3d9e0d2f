import { ControlFailure } from "../control/control-failure.ts";
import type { Link } from "../control/link.ts";
import type { PairingRequest, PairingRequests } from "./pairing-requests.ts";
import type { PairingStore } from "./pairing-store.ts";
import type { Tickets } from "./tickets.ts";

export interface PairingDeskParts {
  readonly store: PairingStore;
  readonly requests: PairingRequests;
  readonly tickets: Tickets;
  /** Shows a new request at the terminal. */
  readonly announce: (request: PairingRequest) => void;
  readonly now: () => number;
}

/** Pairs browsers: by a person who compares words, or by a ticket that the person's own command fetched. */
export class PairingDesk {
  readonly #parts: PairingDeskParts;

  constructor(parts: PairingDeskParts) {
    this.#parts = parts;
  }

  begin(link: Link, token: string): { words: string[]; expiresAt: number } {
    const { requests, tickets, announce } = this.#parts;
    if (link.pairingId !== null) requests.take(link.pairingId);
    const request = requests.begin(link.name, token, (accepted) => link.tell("pair.settled", { accepted }));
    link.pairingId = request.id;
    if (link.ticket !== null && tickets.redeem(link.ticket)) {
      // After the reply with the words, which the extension waits for.
      setImmediate(() => this.#answer(request.id, true));
    } else announce(request);
    link.ticket = null;
    return { words: [...request.words], expiresAt: request.expiresAt };
  }

  /** The person's answer in the popup of the very browser that asked. */
  confirm(link: Link, accepted: boolean): void {
    if (link.pairingId === null) throw notThere();
    this.answer(link.pairingId, accepted);
  }

  /** The person's answer at the terminal. */
  answer(id: string, accepted: boolean): void {
    if (!this.#answer(id, accepted)) throw notThere();
  }

  /** A browser that is gone can no longer be asked for. */
  forget(link: Link): void {
    if (link.pairingId !== null) this.#parts.requests.take(link.pairingId);
  }

  #answer(id: string, accepted: boolean): boolean {
    const { store, requests, now } = this.#parts;
    const request = requests.take(id);
    if (!request) return false;
    if (accepted) store.add(request.token, request.name, now());
    request.settled(accepted);
    return true;
  }
}

function notThere(): ControlFailure {
  return new ControlFailure(
    "not_found",
    "No browser waits for that any more: ask for pairing again in the popup.",
  );
}
