import { closeSync, fstatSync, openSync, readSync, renameSync, writeFileSync } from "node:fs";
import type { DnrRule } from "@atlantic/shared/blocking/rulesets/dnr-rule.ts";
import { indexRules, RuleIndex } from "@atlantic/shared/blocking/urls/rule-index.ts";

/** Writes beside and renames, so that whoever has it open keeps the old one whole. */
export function writeRuleFile(path: string, rules: readonly DnrRule[]): void {
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, indexRules(rules));
  renameSync(beside, path);
}

/** An open file of rules, which is read where a request needs it. */
export class RuleFile {
  readonly #fd: number;
  readonly #index: RuleIndex;

  private constructor(fd: number, index: RuleIndex) {
    this.#fd = fd;
    this.#index = index;
  }

  /** @returns undefined when it is not there, or is none */
  static open(path: string): RuleFile | undefined {
    let fd: number;
    try {
      fd = openSync(path, "r");
    } catch {
      return undefined;
    }
    const index = RuleIndex.open((at, length) => readBytes(fd, at, length), fstatSync(fd).size);
    if (index !== undefined) return new RuleFile(fd, index);
    closeSync(fd);
    return undefined;
  }

  /** Shows the rules that may be about an address with these words. */
  forEach(tokens: readonly number[], see: (rule: DnrRule) => void): void {
    this.#index.forEach(tokens, see);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function readBytes(fd: number, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let read = 0; read < length; ) {
    const size = readSync(fd, bytes, read, length - read, at + read);
    if (size === 0) break;
    read += size;
  }
  return bytes;
}
