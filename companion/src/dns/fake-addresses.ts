import { isIP } from "node:net";

/** 198.18.0.0/15 without its first /24, where the tunnel's own addresses are, and without the last address. */
const FIRST_4 = ((198 << 24) | (18 << 16) | (1 << 8)) >>> 0;
const COUNT_4 = (1 << 17) - (1 << 8) - 1;
/** fd61:746c:1::/64. */
const PREFIX_6 = [0xfd61, 0x746c, 1, 0] as const;

/**
 * Addresses that stand for names, so that whoever carries a flow learns which name it was meant for. A name has one number,
 * and by it an address of each family; it keeps them until as many other names have come as there are numbers, and then the
 * one that was used longest ago gives its number away. Nothing is kept on disk: it would be a list of what was visited.
 */
export class FakeAddresses {
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #capacity: number;

  constructor(capacity: number = COUNT_4) {
    this.#capacity = Math.min(capacity, COUNT_4);
  }

  get size(): number {
    return this.#numbers.size;
  }

  /** The four or sixteen bytes of a name's address. */
  bytesFor(name: string, family: 4 | 6): Buffer {
    const number = this.#numberOf(name);
    if (family === 4) {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(FIRST_4 + number);
      return bytes;
    }
    const bytes = Buffer.alloc(16);
    for (const [index, group] of PREFIX_6.entries()) bytes.writeUInt16BE(group, 2 * index);
    bytes.writeUInt32BE(number + 1, 12);
    return bytes;
  }

  /** The name that an address stands for; undefined when it is none of ours, or its name was forgotten. */
  nameOf(address: string): string | undefined {
    const number = numberOfAddress(address);
    const name = number === undefined ? undefined : this.#names[number];
    if (name !== undefined && number !== undefined) this.#use(name, number);
    return name;
  }

  #numberOf(name: string): number {
    const known = this.#numbers.get(name) ?? this.#takeNumber();
    this.#names[known] = name;
    this.#use(name, known);
    return known;
  }

  #takeNumber(): number {
    if (this.#numbers.size < this.#capacity) return this.#numbers.size;
    for (const [name, number] of this.#numbers) {
      this.#numbers.delete(name);
      return number;
    }
    return 0;
  }

  /** A map keeps its order of insertion: the first one was used longest ago. */
  #use(name: string, number: number): void {
    this.#numbers.delete(name);
    this.#numbers.set(name, number);
  }
}

function numberOfAddress(address: string): number | undefined {
  const family = isIP(address);
  if (family === 4) {
    const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    const number = value - FIRST_4;
    return number >= 0 && number < COUNT_4 ? number : undefined;
  }
  return family === 6 ? numberOf6(address) : undefined;
}

function numberOf6(address: string): number | undefined {
  const groups = groupsOf(address);
  if (groups === undefined || PREFIX_6.some((group, index) => groups[index] !== group)) return undefined;
  const [, , , , five, six, high = 0, low = 0] = groups;
  const value = high * 65_536 + low;
  return five === 0 && six === 0 && value > 0 ? value - 1 : undefined;
}

/** The eight groups of a textual IPv6 address; undefined for one with a dotted end. */
function groupsOf(address: string): number[] | undefined {
  if (address.includes(".") || address.includes("%")) return undefined;
  const [head = "", tail] = address.split("::");
  const read = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  if (tail === undefined) return read(head);
  const [before, after] = [read(head), read(tail)];
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}
