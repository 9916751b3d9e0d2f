/** The numbers that both sides of the language boundary use: see native/carrier/src/protocol.rs. */
export const verbs = {
  write: 1,
  carry: 2,
  refuse: 3,
  cut: 4,
  close: 5,
  take: 6,
  refilled: 7,
  stand: 8,
  standConnect: 9,
  knowLogin: 10,
  forwardRecall: 64,
} as const;

export const events = {
  data: 1,
  dialled: 2,
  failed: 3,
  closed: 4,
  taken: 5,
  low: 6,
  dry: 7,
  returned: 8,
  diverted: 9,
  stood: 10,
  forwardBack: 64,
  forwardEnded: 65,
} as const;

/** How a connection ended, by its number. */
export const outcomes = [
  "ended",
  "client_reset",
  "upstream_reset",
  "idle",
  "cut",
  "quota_exhausted",
  "header_timeout",
] as const;

export type CarrierOutcome = (typeof outcomes)[number];

/** Connections that are handed to the engine are numbered from here; those that it accepted from 0. */
export const FIRST_ADOPTED = 1 << 20;

export const stages = ["reach", "ask"] as const;

/** Why a dial failed, by its number. */
export const reasons = ["errno", "timeout", "answer", "ended", "too long", "no address"] as const;
