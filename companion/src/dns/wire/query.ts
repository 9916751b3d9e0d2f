import { FLAG, TYPE } from "./codes.ts";
import { readName } from "./name.ts";
import { HEADER_BYTES, readRecords } from "./records.ts";

/** What a client asks. */
export interface Query {
  readonly id: number;
  readonly opcode: number;
  /** RD, AD and CD, as they stand in the flags. */
  readonly flags: number;
  /** Lower case, without the last full stop. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The question as the client wrote it, its case kept (draft-vixie-dnsext-dns0x20). */
  readonly question: Buffer;
  readonly edns: Edns | null;
}

/** RFC 6891. */
export interface Edns {
  readonly version: number;
  /** The largest UDP answer that the client takes, at least 512. */
  readonly size: number;
  /** DO: signatures are wanted. */
  readonly dnssec: boolean;
}

/** What arrives at a resolver's port. */
export type Arrival =
  | { readonly kind: "query"; readonly query: Query }
  /** A query that cannot be read: answered FORMERR. */
  | { readonly kind: "malformed"; readonly id: number; readonly opcode: number }
  /** An answer, or too short for an id: to answer it could begin a loop. */
  | { readonly kind: "noise" };

const DNSSEC_OK = 0x8000;

export function readQuery(message: Buffer): Arrival {
  if (message.length < HEADER_BYTES) return { kind: "noise" };
  const id = message.readUInt16BE(0);
  const flags = message.readUInt16BE(2);
  if ((flags & FLAG.response) !== 0) return { kind: "noise" };
  const opcode = (flags >> 11) & 0xf;
  const malformed = { kind: "malformed", id, opcode } as const;
  if (message.readUInt16BE(4) !== 1) return malformed;
  const name = readName(message, HEADER_BYTES);
  if (name === undefined || name.next + 4 > message.length) return malformed;
  const end = name.next + 4;
  const edns = readEdns(message, end);
  if (edns === undefined) return malformed;
  const query: Query = {
    id,
    opcode,
    flags: flags & (FLAG.wanted | FLAG.authentic | FLAG.unchecked),
    name: name.name,
    type: message.readUInt16BE(name.next),
    class: message.readUInt16BE(name.next + 2),
    question: Buffer.from(message.subarray(HEADER_BYTES, end)),
    edns,
  };
  return { kind: "query", query };
}

/** @returns undefined when the rest of the query cannot be read, or has two OPT records */
function readEdns(message: Buffer, start: number): Edns | null | undefined {
  const records = readRecords(message, start);
  if (records === undefined) return undefined;
  const [found, second] = records.filter(({ type }) => type === TYPE.OPT);
  if (found === undefined) return null;
  if (second !== undefined || found.name !== "" || found.section !== "additional") return undefined;
  return {
    version: (found.ttl >> 16) & 0xff,
    size: Math.max(512, found.class),
    dnssec: (found.ttl & DNSSEC_OK) !== 0,
  };
}

/** Whether the client understands AD (RFC 6840, 5.7). */
export function wantsAuthentic({ flags, edns }: Query): boolean {
  return (flags & FLAG.authentic) !== 0 || edns?.dnssec === true;
}
