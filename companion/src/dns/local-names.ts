/** Ends of names that never leave the machine, each with its source. */
const LOCAL_ENDS: readonly string[] = [
  "local", // RFC 6762
  "localhost", // RFC 6761
  "invalid", // RFC 6761
  "test", // RFC 6761
  "onion", // RFC 7686
  "alt", // RFC 9476
  "home.arpa", // RFC 8375
  "internal", // reserved by ICANN, 2024
  "lan", // what home routers use
  "home", // what home routers use
  "corp", // never to be delegated: ICANN, 2018
  // RFC 6303, RFC 7793, and the addresses that the tunnel and fake names use.
  "10.in-addr.arpa",
  ...range(16, 31).map((part) => `${part}.172.in-addr.arpa`),
  "168.192.in-addr.arpa",
  ...range(64, 127).map((part) => `${part}.100.in-addr.arpa`),
  "0.in-addr.arpa",
  "127.in-addr.arpa",
  "254.169.in-addr.arpa",
  "2.0.192.in-addr.arpa",
  "100.51.198.in-addr.arpa",
  "113.0.203.in-addr.arpa",
  "18.198.in-addr.arpa",
  "19.198.in-addr.arpa",
  "255.255.255.255.in-addr.arpa",
  `${"0.".repeat(32)}ip6.arpa`,
  `1.${"0.".repeat(31)}ip6.arpa`,
  "c.f.ip6.arpa",
  "d.f.ip6.arpa",
  "8.e.f.ip6.arpa",
  "9.e.f.ip6.arpa",
  "a.e.f.ip6.arpa",
  "b.e.f.ip6.arpa",
  "8.b.d.0.1.0.0.2.ip6.arpa",
];

const LOCAL: ReadonlySet<string> = new Set(LOCAL_ENDS);

/** Whether a name means something on this machine or network only, so that to ask for it outside would tell of it. */
export function isLocalName(name: string): boolean {
  if (name !== "" && !name.includes(".")) return true;
  for (let at = 0; at >= 0; ) {
    if (LOCAL.has(name.slice(at))) return true;
    const stop = name.indexOf(".", at);
    at = stop < 0 ? -1 : stop + 1;
  }
  return false;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
