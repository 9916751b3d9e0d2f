import { CLASS_IN, FLAG, TYPE } from "./codes.ts";
import { writeName } from "./name.ts";

/** Queries are padded to a multiple of this (RFC 8467), so that their length tells nothing of the name. */
const BLOCK_BYTES = 128;
const OPT_BYTES = 11;
const PADDING_OPTION = 12;
const OUR_SIZE = 4_096;

export interface WantedRecord {
  /** Lower case, without the last full stop. */
  readonly name: string;
  readonly type: number;
  /** DO: signatures are wanted. */
  readonly dnssec: boolean;
  /** CD: answers whose signatures are wrong are wanted too. */
  readonly unchecked: boolean;
}

/**
 * A query for a server of DNS over HTTPS: id 0 (RFC 8484, 4.1), AD set to hear whether the server validated (RFC 6840),
 * no client subnet, padded.
 * @returns undefined when the name does not fit
 */
export function writeQuery({ name, type, dnssec, unchecked }: WantedRecord): Buffer | undefined {
  const bytes = writeName(name);
  if (bytes === undefined) return undefined;
  const header = Buffer.alloc(12);
  header.writeUInt16BE(FLAG.wanted | FLAG.authentic | (unchecked ? FLAG.unchecked : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(1, 10);
  const question = Buffer.alloc(4);
  question.writeUInt16BE(type, 0);
  question.writeUInt16BE(CLASS_IN, 2);
  const bare = header.length + bytes.length + question.length + OPT_BYTES + 4;
  const padding = (BLOCK_BYTES - (bare % BLOCK_BYTES)) % BLOCK_BYTES;
  const opt = Buffer.alloc(OPT_BYTES + 4 + padding);
  opt.writeUInt16BE(TYPE.OPT, 1);
  opt.writeUInt16BE(OUR_SIZE, 3);
  opt.writeUInt16BE(dnssec ? 0x8000 : 0, 7);
  opt.writeUInt16BE(4 + padding, 9);
  opt.writeUInt16BE(PADDING_OPTION, 11);
  opt.writeUInt16BE(padding, 13);
  return Buffer.concat([header, bytes, question, opt]);
}
