import type { Effect, ProtectionEvent, ProtectionState } from "./protection-state.ts";
import { BEGINNING, transition } from "./transition.ts";

/** Carries out one effect. Rejects with an Error whose message is for people. */
export type Perform = (
  effect: Exclude<Effect, { kind: "report" }>,
  state: ProtectionState,
) => void | Promise<void>;

/** Runs the states: one event after the other, the effects of each to their end before the next is looked at. */
export class ProtectionMachine {
  #state: ProtectionState = BEGINNING;
  readonly #perform: Perform;
  readonly #changed: (state: ProtectionState, before: ProtectionState) => void;
  #last: Promise<void> = Promise.resolve();

  constructor(perform: Perform, changed: (state: ProtectionState, before: ProtectionState) => void) {
    this.#perform = perform;
    this.#changed = changed;
  }

  get state(): ProtectionState {
    return this.#state;
  }

  /** Resolves when the effects of this event, and of what they reported, have ended. Never rejects. */
  tell(event: ProtectionEvent): Promise<void> {
    this.#last = this.#last.then(() => this.#handle(event));
    return this.#last;
  }

  async #handle(event: ProtectionEvent): Promise<void> {
    const before = this.#state;
    const { state, effects } = transition(before, event);
    this.#state = state;
    if (state !== before) this.#changed(state, before);
    for (const effect of effects) {
      if (effect.kind === "report") {
        await this.#handle(effect.event);
        continue;
      }
      try {
        await this.#perform(effect, this.#state);
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        return this.#handle({ kind: "failed", effect: effect.kind, problem });
      }
    }
  }
}
