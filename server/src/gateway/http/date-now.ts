let second = 0;
let text = "";

/** The moment as `Date` wants it (RFC 9110 §5.6.7); written once a second. */
export function dateNow(): string {
  const now = Date.now();
  if (now - second < 1_000 && now >= second) return text;
  second = now - (now % 1_000);
  text = new Date(now).toUTCString();
  return text;
}
