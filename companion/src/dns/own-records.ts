import { CLASS_IN, TYPE } from "./wire/codes.ts";

/** Points at the question's name. */
const QUESTION = 0xc00c;

/** A record whose owner is the name of the question. */
export function ownRecord(type: number, ttl: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(QUESTION, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(CLASS_IN, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

/** Tells clients how long they may remember that there is nothing (RFC 2308). */
export function ownSoa(ttl: number): Buffer {
  const data = Buffer.alloc(22);
  // Both names are the root: nobody is to be asked or written to.
  for (const [index, value] of [1, 3_600, 600, 86_400, ttl].entries())
    data.writeUInt32BE(value, 2 + 4 * index);
  return ownRecord(TYPE.SOA, ttl, data);
}
