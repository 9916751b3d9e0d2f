import { readName } from "./name.ts";

export const HEADER_BYTES = 12;

export interface WireRecord {
  readonly section: "answer" | "authority" | "additional";
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  /** Where the record begins, where its time to live stands, its data, and the next record. */
  readonly start: number;
  readonly ttlAt: number;
  readonly dataAt: number;
  readonly end: number;
}

const SECTIONS = ["answer", "authority", "additional"] as const;

/**
 * Reads all records of a message whose question ends at `start`.
 * @returns undefined when the message breaks off, or holds more than it says
 */
export function readRecords(message: Buffer, start: number): WireRecord[] | undefined {
  const records: WireRecord[] = [];
  let at = start;
  for (const [index, section] of SECTIONS.entries()) {
    const count = message.readUInt16BE(6 + 2 * index);
    for (let read = 0; read < count; read++) {
      const record = readRecord(message, at, section);
      if (record === undefined) return undefined;
      records.push(record);
      at = record.end;
    }
  }
  return at === message.length ? records : undefined;
}

function readRecord(message: Buffer, start: number, section: WireRecord["section"]): WireRecord | undefined {
  const owner = readName(message, start);
  if (owner === undefined || owner.next + 10 > message.length) return undefined;
  const { name, next } = owner;
  const dataAt = next + 10;
  const end = dataAt + message.readUInt16BE(next + 8);
  if (end > message.length) return undefined;
  return {
    section,
    name,
    type: message.readUInt16BE(next),
    class: message.readUInt16BE(next + 2),
    ttl: message.readUInt32BE(next + 4),
    start,
    ttlAt: next + 4,
    dataAt,
    end,
  };
}
