/** What a case saw that should not have been; the sentence is for people and holds the bytes that matter. */
export class Finding extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = "Finding";
  }
}

/** @throws Finding when the condition does not hold */
export function expectThat(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new Finding(sentence);
}

const SHOWN = 300;

/** Bytes as people can read them: escapes for what is not printable, cut in the middle when there are many. */
export function shown(bytes: Buffer | string): string {
  const text = typeof bytes === "string" ? bytes : bytes.toString("latin1");
  const cut =
    text.length > SHOWN ? `${text.slice(0, SHOWN - 60)}…[${text.length} bytes]…${text.slice(-40)}` : text;
  return JSON.stringify(cut).replace(/[\u007f-\u00ff]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`);
}

/** Bytes in hexadecimal. */
export function hexOf(bytes: Buffer): string {
  return bytes.toString("hex").replace(/../g, "$& ").trim();
}
