/** Cuts text that comes in pieces into its lines; what follows the last line end waits for the next piece. */
export class LineCutter {
  #rest = "";

  push(text: string): string[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.filter((line) => line !== "");
  }
}
