/** Numbers of IANA's registry "Domain Name System (DNS) Parameters". */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  DNAME: 39,
  OPT: 41,
  RRSIG: 46,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

export const RCODE = {
  noError: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
  badVers: 16,
} as const;

/** Extended errors (RFC 8914): why an answer is not what the name's owner says. */
export const EXTENDED_ERROR = { stale: 3, blocked: 15, censored: 16, noReachableAuthority: 22 } as const;

export const CLASS_IN = 1;

/** Bits of a message's second 16-bit word. */
export const FLAG = {
  response: 0x8000,
  truncated: 0x0200,
  wanted: 0x0100,
  available: 0x0080,
  authentic: 0x0020,
  unchecked: 0x0010,
} as const;
