const TTL_SECONDS = 3_600;

/** Answers every query with one address: the question, and an A record that points at it. */
export function anyAddress(query: Buffer): Buffer {
  let end = 12;
  while ((query[end] ?? 0) !== 0) end += 1 + (query[end] ?? 0);
  const answer = Buffer.alloc(end + 5 + 16);
  query.copy(answer, 0, 0, end + 5);
  answer.writeUInt16BE(0x8180, 2);
  answer.writeUInt16BE(1, 6);
  answer.writeUInt32BE(0, 8);
  const record = end + 5;
  answer.writeUInt16BE(0xc00c, record);
  answer.writeUInt32BE(0x0001_0001, record + 2);
  answer.writeUInt32BE(TTL_SECONDS, record + 6);
  answer.writeUInt16BE(4, record + 10);
  answer.set([192, 0, 2, 1], record + 12);
  return answer;
}
