import type { Answer } from "./wire/answer.ts";
import { TYPE } from "./wire/codes.ts";
import { readName } from "./wire/name.ts";
import { HEADER_BYTES, readRecords, type WireRecord } from "./wire/records.ts";

/** SvcParamKeys of RFC 9460. */
const MANDATORY = 0;
const IPV4_HINT = 4;
const IPV6_HINT = 6;

/**
 * Takes the addresses out of service records (SVCB, HTTPS), so that a client goes where A and AAAA lead; everything else,
 * ech among it, stays. A record that makes the addresses mandatory is dropped, and the signatures of what was changed with
 * it. An answer without such addresses is returned as it is.
 */
export function withoutHints(answer: Answer): Answer {
  const changed = new Map<WireRecord, Buffer | null>();
  for (const record of answer.records) {
    const kept = isService(record)
      ? paramsWithoutHints(answer.message.subarray(record.dataAt, record.end), answer.message, record)
      : undefined;
    if (kept !== undefined) changed.set(record, kept);
  }
  return changed.size === 0 ? answer : rebuilt(answer, changed);
}

function isService({ type }: WireRecord): boolean {
  return type === TYPE.SVCB || type === TYPE.HTTPS;
}

/** @returns the data without hints, null when the record cannot do without, undefined when there are none */
function paramsWithoutHints(
  data: Buffer,
  message: Buffer,
  { dataAt, end }: WireRecord,
): Buffer | null | undefined {
  const target = readName(message, dataAt + 2);
  if (target === undefined || target.next > end) return null;
  const kept: Buffer[] = [data.subarray(0, target.next - dataAt)];
  let found = false;
  for (let at = target.next; at < end; ) {
    if (at + 4 > end) return null;
    const key = message.readUInt16BE(at);
    const next = at + 4 + message.readUInt16BE(at + 2);
    if (next > end) return null;
    if (key === MANDATORY && makesHintsMandatory(message.subarray(at + 4, next))) return null;
    if (key === IPV4_HINT || key === IPV6_HINT) found = true;
    else kept.push(message.subarray(at, next));
    at = next;
  }
  return found ? Buffer.concat(kept) : undefined;
}

function makesHintsMandatory(keys: Buffer): boolean {
  for (let at = 0; at + 2 <= keys.length; at += 2) {
    const key = keys.readUInt16BE(at);
    if (key === IPV4_HINT || key === IPV6_HINT) return true;
  }
  return false;
}

/** Records after a changed one may point into what moved: additional ones are left out, and names are not rewritten. */
function rebuilt(
  { message, records, rcode }: Answer,
  changed: ReadonlyMap<WireRecord, Buffer | null>,
): Answer {
  const first = records[0]?.start ?? message.length;
  const parts: Buffer[] = [Buffer.from(message.subarray(0, first))];
  const counts = { answer: 0, authority: 0, additional: 0 };
  for (const record of records) {
    if (record.section !== "answer" || record.type === TYPE.RRSIG) continue;
    const data = changed.has(record) ? changed.get(record) : message.subarray(record.dataAt, record.end);
    if (data === null || data === undefined) continue;
    const head = Buffer.from(message.subarray(record.start, record.dataAt));
    head.writeUInt16BE(data.length, head.length - 2);
    parts.push(head, data);
    counts[record.section]++;
  }
  const whole = Buffer.concat(parts);
  whole.writeUInt16BE(counts.answer, 6);
  whole.writeUInt16BE(0, 8);
  whole.writeUInt16BE(0, 10);
  const question = readName(whole, HEADER_BYTES);
  const read = question && readRecords(whole, question.next + 4);
  if (read) return { message: whole, rcode, authentic: false, records: read };
  // A name pointed at what has moved: then there is no such record, and clients do without.
  const bare = Buffer.from(message.subarray(0, first));
  bare.fill(0, 6, HEADER_BYTES);
  return { message: bare, rcode, authentic: false, records: [] };
}
