import type { FuzzTarget } from "../fuzz-target.ts";
import { addresses } from "./addresses.ts";
import { body } from "./body.ts";
import { receipts } from "./receipts.ts";
import { requestHead } from "./request-head.ts";
import { responseHead } from "./response-head.ts";
import { socks5 } from "./socks5.ts";
import { userName } from "./user-name.ts";

/** Every reader that is fuzzed. */
export const allTargets: readonly FuzzTarget[] = [
  socks5,
  requestHead,
  responseHead,
  body,
  userName,
  receipts,
  addresses,
];

/** How many of all inputs a target gets, by its weight. */
export function shareOf(target: FuzzTarget, inputs: number): number {
  const weights = allTargets.reduce((all, { weight }) => all + weight, 0);
  return Math.ceil((inputs * target.weight) / weights);
}
