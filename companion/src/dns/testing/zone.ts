import { type Answer, decode, encode, type Packet, RECURSION_AVAILABLE, type StringAnswer } from "dns-packet";

/** A name's records, or what goes wrong with it. */
export type ZoneEntry =
  | readonly Answer[]
  | { readonly rcode: "NXDOMAIN" | "SERVFAIL" | "REFUSED"; readonly authorities?: readonly Answer[] }
  | { readonly raw: (query: Packet) => Buffer };

const RCODES = { NXDOMAIN: 3, SERVFAIL: 2, REFUSED: 5 } as const;
const AUTHENTIC = 0x20;

/** Answers queries from a hand-made zone, with the messages of another library than ours. */
export function answerFromZone(
  zone: Readonly<Record<string, ZoneEntry>>,
  options: { readonly authentic?: boolean } = {},
): (query: Buffer) => Buffer {
  return (bytes) => {
    const query = decode(bytes);
    const [question] = query.questions ?? [];
    const name = question?.name.toLowerCase() ?? "";
    const entry = zone[name] ?? { rcode: "NXDOMAIN" as const };
    if ("raw" in entry) return entry.raw(query);
    const isList = Array.isArray(entry);
    const records = isList ? followed(zone, entry as readonly Answer[], question?.type ?? "") : [];
    const failure = isList ? undefined : (entry as Exclude<ZoneEntry, readonly Answer[]>);
    const rcode = failure && "rcode" in failure ? RCODES[failure.rcode] : 0;
    return encode({
      type: "response",
      id: query.id ?? 0,
      flags: RECURSION_AVAILABLE | (options.authentic ? AUTHENTIC : 0) | rcode,
      questions: query.questions ?? [],
      answers: records,
      authorities: failure && "rcode" in failure ? [...(failure.authorities ?? [])] : [],
      additionals: [
        {
          type: "OPT",
          name: ".",
          udpPayloadSize: 1_232,
          flags: 0,
          options: [],
          extendedRcode: 0,
          ednsVersion: 0,
          flag_do: false,
        },
      ],
    } as Packet);
  };
}

/** The records of the type, and the aliases that lead to them. */
function followed(
  zone: Readonly<Record<string, ZoneEntry>>,
  records: readonly Answer[],
  type: string,
): Answer[] {
  const alias = records.find((record) => record.type === "CNAME");
  if (alias === undefined || type === "CNAME") return records.filter((record) => record.type === type);
  const next = zone[(alias as StringAnswer).data];
  return [alias, ...(Array.isArray(next) ? followed(zone, next as readonly Answer[], type) : [])];
}
