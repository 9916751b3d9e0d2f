import type { Answer } from "./answer.ts";
import { FLAG, RCODE, TYPE } from "./codes.ts";
import { type Query, wantsAuthentic } from "./query.ts";
import { HEADER_BYTES } from "./records.ts";

/** The largest UDP answer that is sent whatever the client takes: it fits every link unfragmented (DNS flag day 2020). */
export const OUR_UDP_SIZE = 1_232;
const OPT_BYTES = 11;
const EXTENDED_ERROR_OPTION = 15;

/** What an answer says beside its records. */
export interface Remark {
  /** A code of EXTENDED_ERROR, told to clients that speak EDNS. */
  readonly extendedError?: number;
}

/** An answer of our own making: `records` are whole records, whose owners may point at the question (0xc00c). */
export function writeAnswer(
  query: Query,
  rcode: number,
  records: { readonly answers: readonly Buffer[]; readonly authorities: readonly Buffer[] },
  remark: Remark = {},
): Buffer {
  const { answers, authorities } = records;
  const header = headerOf(query, rcode, false);
  header.writeUInt16BE(answers.length, 6);
  header.writeUInt16BE(authorities.length, 8);
  return withOpt(Buffer.concat([header, query.question, ...answers, ...authorities]), query, rcode, remark);
}

/** An answer without records. */
export function writeEmpty(query: Query, rcode: number, remark: Remark = {}): Buffer {
  return writeAnswer(query, rcode, { answers: [], authorities: [] }, remark);
}

/** FORMERR or NOTIMP for what could not be read as a query. */
export function writeUnread(id: number, opcode: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  const rcode = opcode === 0 ? RCODE.formErr : RCODE.notImp;
  header.writeUInt16BE(FLAG.response | (opcode << 11) | FLAG.available | rcode, 2);
  return header;
}

/**
 * A server's answer for this client: its id and its spelling of the question, its OPT, AD only where it asked for it, and
 * times to live that are `age` seconds shorter.
 */
export function writeKnown(
  query: Query,
  answer: Answer,
  times: { readonly age: number } | { readonly ttl: number },
  remark: Remark = {},
): Buffer {
  const message = Buffer.from(answer.message);
  headerOf(query, answer.rcode, answer.authentic).copy(message, 0, 0, 4);
  query.question.copy(message, HEADER_BYTES);
  for (const { ttl, ttlAt } of answer.records) {
    const left = "ttl" in times ? Math.min(times.ttl, ttl) : ttl - times.age;
    message.writeUInt32BE(Math.max(0, left), ttlAt);
  }
  return withOpt(message, query, answer.rcode, remark);
}

function headerOf(query: Query, rcode: number, authentic: boolean): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const kept = query.flags & (FLAG.wanted | FLAG.unchecked);
  const ad = authentic && wantsAuthentic(query) ? FLAG.authentic : 0;
  header.writeUInt16BE(query.id, 0);
  header.writeUInt16BE(FLAG.response | (query.opcode << 11) | FLAG.available | kept | ad | (rcode & 0xf), 2);
  header.writeUInt16BE(1, 4);
  return header;
}

/** A client that speaks EDNS is answered in EDNS (RFC 6891, 6.1.1). */
function withOpt(message: Buffer, { edns }: Query, rcode: number, { extendedError }: Remark): Buffer {
  if (edns === null) return message;
  const hasError = extendedError !== undefined;
  const opt = Buffer.alloc(OPT_BYTES + (hasError ? 6 : 0));
  opt.writeUInt16BE(TYPE.OPT, 1);
  opt.writeUInt16BE(OUR_UDP_SIZE, 3);
  opt.writeUInt8(rcode >> 4, 5);
  opt.writeUInt16BE(edns.dnssec ? 0x8000 : 0, 7);
  if (hasError) {
    opt.writeUInt16BE(6, 9);
    opt.writeUInt16BE(EXTENDED_ERROR_OPTION, 11);
    opt.writeUInt16BE(2, 13);
    opt.writeUInt16BE(extendedError, 15);
  }
  message.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return Buffer.concat([message, opt]);
}

/** An answer that fits a UDP packet for this client: cut to the question with TC set when it is too large (RFC 2181, 9). */
export function fitUdp(query: Query, message: Buffer): Buffer {
  const limit = Math.min(OUR_UDP_SIZE, query.edns?.size ?? 512);
  if (message.length <= limit) return message;
  const header = Buffer.from(message.subarray(0, HEADER_BYTES));
  const flags = header.readUInt16BE(2);
  header.writeUInt16BE(flags | FLAG.truncated, 2);
  header.fill(0, 6);
  return withOpt(Buffer.concat([header, query.question]), query, flags & 0xf, {});
}
