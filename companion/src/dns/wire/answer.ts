import { CLASS_IN, FLAG, RCODE, TYPE } from "./codes.ts";
import { readName } from "./name.ts";
import { HEADER_BYTES, readRecords, type WireRecord } from "./records.ts";
import type { WantedRecord } from "./write-query.ts";

/** A server's answer, read and checked, without its OPT record. */
export interface Answer {
  /** The message: id 0, and the question in lower case. */
  readonly message: Buffer;
  readonly rcode: number;
  /** AD: the server says that it has validated the answer. */
  readonly authentic: boolean;
  readonly records: readonly WireRecord[];
}

/**
 * Reads a server's answer to a query with id 0.
 * @returns undefined when it is none: another id, another question, cut short, or not a message
 */
export function readAnswer(bytes: Buffer, wanted: WantedRecord): Answer | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== 0) return undefined;
  const flags = bytes.readUInt16BE(2);
  const isAnswer = (flags & FLAG.response) !== 0 && ((flags >> 11) & 0xf) === 0;
  if (!isAnswer || (flags & FLAG.truncated) !== 0 || bytes.readUInt16BE(4) !== 1) return undefined;
  const name = readName(bytes, HEADER_BYTES);
  if (name === undefined || name.name !== wanted.name || name.next + 4 > bytes.length) return undefined;
  const isSame =
    bytes.readUInt16BE(name.next) === wanted.type && bytes.readUInt16BE(name.next + 2) === CLASS_IN;
  if (!isSame) return undefined;
  const records = readRecords(bytes, name.next + 4);
  if (
    records === undefined ||
    records.some(({ section, type }) => section !== "additional" && type === TYPE.OPT)
  ) {
    return undefined;
  }
  const opt = records.findIndex(({ type }) => type === TYPE.OPT);
  const extended = opt < 0 ? 0 : ((records[opt]?.ttl ?? 0) >>> 24) << 4;
  const message = withoutOpt(bytes, records, opt);
  lowerCase(message, HEADER_BYTES, name.next);
  return {
    message,
    rcode: (flags & 0xf) | extended,
    authentic: (flags & FLAG.authentic) !== 0,
    records: opt < 0 ? records : records.slice(0, opt),
  };
}

/** What follows OPT goes with it: additional records are a courtesy, and names in them may point past it. */
function withoutOpt(bytes: Buffer, records: readonly WireRecord[], opt: number): Buffer {
  const at = records[opt]?.start;
  if (at === undefined) return Buffer.from(bytes);
  const message = Buffer.from(bytes.subarray(0, at));
  const kept = records.slice(0, opt).filter(({ section }) => section === "additional").length;
  message.writeUInt16BE(kept, 10);
  return message;
}

/** Whoever answers may have kept any case; a cache holds one. */
function lowerCase(message: Buffer, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    const byte = message[at] ?? 0;
    if (byte >= 65 && byte <= 90) message[at] = byte + 32;
  }
}

/** Longest and shortest that an answer is kept, in seconds. A failure is kept too (RFC 9520). */
const MAX_TTL = 86_400;
const MAX_NEGATIVE_TTL = 3_600;
const FAILURE_TTL = 5;

/**
 * For how many seconds an answer holds: the shortest of its records, or what the SOA says of names and types that are not
 * there (RFC 2308, 5). 0: it may not be kept.
 */
export function timeToLive({ message, records, rcode }: Answer): number {
  if (rcode !== RCODE.noError && rcode !== RCODE.nxDomain) return FAILURE_TTL;
  const answers = records.filter(({ section }) => section === "answer");
  const isNegative =
    rcode === RCODE.nxDomain || answers.every(({ type }) => type === TYPE.CNAME || type === TYPE.RRSIG);
  if (!isNegative) return Math.min(MAX_TTL, ...answers.map(ttlOf));
  const soa = records.find(({ section, type }) => section === "authority" && type === TYPE.SOA);
  if (soa === undefined || soa.end - soa.dataAt < 4) return 0;
  const minimum = message.readUInt32BE(soa.end - 4);
  return Math.min(MAX_NEGATIVE_TTL, minimum, ...[soa, ...answers].map(ttlOf));
}

/** A time with the highest bit set counts as 0 (RFC 2181, 8). */
function ttlOf({ ttl }: WireRecord): number {
  return ttl > 0x7fffffff ? 0 : ttl;
}

/**
 * The other names that an answer leads to: aliases (CNAME, DNAME) and the targets of service records (SVCB, HTTPS), in
 * their order.
 */
export function targetsOf({ message, records }: Answer): string[] {
  return records.flatMap(({ section, type, dataAt, end }) => {
    if (section !== "answer") return [];
    const isAlias = type === TYPE.CNAME || type === TYPE.DNAME;
    const isService = type === TYPE.SVCB || type === TYPE.HTTPS;
    if (!isAlias && !isService) return [];
    const at = isService ? dataAt + 2 : dataAt;
    const target = at < end ? readName(message, at) : undefined;
    return target && target.name !== "" ? [target.name] : [];
  });
}
