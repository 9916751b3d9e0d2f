import { isIP } from "node:net";

/** What a page saw of who asked it. */
export interface SeenAddress {
  readonly address: string;
  /** Two letters, lower case; null when the page does not say. */
  readonly country: string | null;
  /** The number of its autonomous system; null when the page does not say. */
  readonly asn: number | null;
}

const addressNames = ["address", "ip", "query", "origin", "ip_address"];
const asnNames = ["asn", "as_number", "as"];
const countryNames = ["country_code", "countrycode", "country_iso", "code", "country"];

/** Reads the answer of an address-check page: JSON in one of the usual shapes, or the address alone. */
export function readSeenAddress(text: string): SeenAddress | undefined {
  const plain = text.trim();
  if (isIP(plain) !== 0) return { address: plain, country: null, asn: null };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const address = find(value, addressNames, (found) => isIP(found) !== 0);
  if (address === undefined) return undefined;
  const country = find(value, countryNames, (found) => /^[A-Za-z]{2}$/.test(found));
  const asn = find(value, asnNames, (found) => /^(AS)?\d{1,10}$/i.test(found));
  return {
    address,
    country: country?.toLowerCase() ?? null,
    asn: asn === undefined ? null : Number(asn.replace(/^AS/i, "")),
  };
}

/** The first value of that name that looks right, the shallowest first. */
function find(
  value: unknown,
  names: readonly string[],
  isRight: (text: string) => boolean,
): string | undefined {
  let level: unknown[] = [value];
  for (let depth = 0; depth < 5 && level.length > 0; depth++) {
    const entries = level.flatMap((one) =>
      typeof one === "object" && one !== null ? Object.entries(one) : [],
    );
    for (const name of names) {
      for (const [key, found] of entries) {
        const text = typeof found === "number" ? `${found}` : found;
        if (key.toLowerCase() === name && typeof text === "string" && isRight(text)) return text;
      }
    }
    level = entries.map(([, found]) => found);
  }
  return undefined;
}
