/** Something that was started and has to be ended. */
interface Closable {
  close(): Promise<void>;
}

/** What was started, so that it is ended once, in the reverse order. */
export class Endings {
  readonly #started: Closable[] = [];
  #ending: Promise<void> | undefined;

  /** Remembers a part and returns it. */
  add<Part extends Closable>(part: Part): Part {
    this.#started.push(part);
    return part;
  }

  /**
   * Ends every part, the last started first, each although another failed.
   *
   * @throws AggregateError when parts failed to end.
   */
  run(): Promise<void> {
    this.#ending ??= this.#endAll();
    return this.#ending;
  }

  async #endAll(): Promise<void> {
    const problems: unknown[] = [];
    for (const part of this.#started.reverse()) {
      await part.close().catch((error: unknown) => problems.push(error));
    }
    if (problems.length > 0) throw new AggregateError(problems, "Parts of the server did not end cleanly.");
  }
}
