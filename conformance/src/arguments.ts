import { parseArgs } from "node:util";
import { peers } from "./subjects/peers.ts";

const known = ["ours", "ours-in-typescript", ...Object.keys(peers)];

export interface ConformanceArguments {
  /** Names of the proxies to start: `ours`, or peers. Empty where one is given. */
  readonly subjects: readonly string[];
  /** A proxy that is running already; null for none. */
  readonly proxy: string | null;
  /** Where the results go as JSON; null for nowhere. */
  readonly json: string | null;
  /** Only cases whose id or group has this in it. */
  readonly only: string | null;
  /** Whether docs/conformance.md is written from the results. */
  readonly docs: boolean;
  readonly differential: boolean;
  /** How many requests the differential run makes, and from which seed. */
  readonly requests: number;
  readonly seed: number;
  readonly help: boolean;
}

/** Reads the command line. @throws Error with a sentence for people */
export function readArguments(argv: readonly string[]): ConformanceArguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      json: { type: "string" },
      proxy: { type: "string" },
      peer: { type: "string", default: "ours" },
      only: { type: "string" },
      docs: { type: "boolean", default: false },
      differential: { type: "boolean", default: false },
      requests: { type: "string", default: "500" },
      seed: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });

  const subjects = values.peer === "all" ? known : values.peer.split(",");
  const unknown = subjects.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new Error(`There is no peer "${unknown}". There are: ${known.join(", ")}, all.`);
  return {
    subjects: values.proxy === undefined ? subjects : [],
    proxy: values.proxy ?? null,
    json: values.json ?? null,
    only: values.only ?? null,
    docs: values.docs,
    differential: values.differential,
    requests: wholeNumber("--requests", values.requests),
    seed: wholeNumber("--seed", values.seed),
    help: values.help,
  };
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${name} wants a whole number.`);
  return Number(text);
}

export const HELP = `npm run conformance -- [--peer ${known.join("|")}|all] [--proxy URL] [--json FILE] [--only TEXT] [--docs]
npm run conformance -- --differential [--requests N] [--seed S]

  --peer NAME[,NAME]  which proxies to start and examine; default: ours
  --proxy URL         examine one that runs already, as http://user:password@127.0.0.1:7777
  --json FILE         write every result
  --only TEXT         only cases whose name or group has this in it
  --docs              write docs/conformance.md
  --differential      the same generated requests through ours and through squid, compared at origin and client
`;
