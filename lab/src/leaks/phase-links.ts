import type { FrameCapture } from "../capture/frame-capture.ts";
import { type Machine, secondLink } from "./machine.ts";
import { readSeen, type Seen } from "./seen.ts";

/** The links of one phase: the physical one, and the second where it is plugged in; every frame of both is kept. */
export class PhaseLinks {
  readonly #machine: Machine;
  #second: { readonly name: string; readonly capture: FrameCapture } | undefined;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Plugs the second link in, and gives it a name. Its capture begins before it is there. */
  async plug(name = secondLink): Promise<void> {
    this.#second = { name, capture: await this.#machine.plug(name) };
  }

  async unplug(): Promise<void> {
    if (!this.#second) return;
    const { name, capture } = this.#second;
    this.#second = undefined;
    await capture.stop();
    await this.#machine.unplug(name);
  }

  /** The frames that passed since the last call. */
  async segment(): Promise<Seen[]> {
    const captures = [this.#machine.capture, ...(this.#second ? [this.#second.capture] : [])];
    const frames = await Promise.all(captures.map((capture) => capture.segment()));
    return frames.flat().map(readSeen);
  }
}
