/** Other gateways' names of the same things. */
const otherNames: Readonly<Record<string, string>> = {
  country: "cc",
  countries: "cc",
  continent: "cn",
  state: "st",
  region: "st",
  town: "city",
  postalcode: "zip",
  postcode: "zip",
  network: "asn",
  tier: "isp",
  carrier: "isp",
  session: "sid",
  sessionid: "sid",
  sessid: "sid",
  sessid_oneip: "sid",
  sesstime: "ttl",
  sessionduration: "ttl",
  sessionlength: "ttl",
  lifetime: "ttl",
  minutes: "ttl",
  zone: "pool",
};

/** The key that was most likely meant by one that there is not; `undefined` when none is near. */
export function closestKey(text: string, keys: readonly string[]): string | undefined {
  const asked = text.toLowerCase().slice(0, 20);
  const other = otherNames[asked];
  if (other !== undefined && keys.includes(other)) return other;
  let best: string | undefined;
  // A key of two letters is one slip away from too many others.
  let least = Math.min(2, Math.floor(asked.length / 2));
  for (const key of keys) {
    const distance = editDistance(asked, key);
    if (distance > least || (distance === least && best !== undefined)) continue;
    best = key;
    least = distance;
  }
  return best;
}

/** How many letters must be put in, left out or changed (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let line = 1; line <= from.length; line++) {
    const next = [line];
    for (let column = 1; column <= to.length; column++) {
      const change = (row[column - 1] ?? 0) + (from[line - 1] === to[column - 1] ? 0 : 1);
      next.push(Math.min(change, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
