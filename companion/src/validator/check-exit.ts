import { randomBytes, randomInt } from "node:crypto";
import type { ProtectionFinding } from "@atlantic/shared/control/protection.ts";
import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import { readSeenAddress, type SeenAddress } from "../doctor/seen-address.ts";
import { DialingAgent, type DialTarget } from "../upstream/dialing-agent.ts";
import { fetchText } from "../upstream/fetch-text.ts";

const TIMEOUT_MS = 15_000;
const TRIES = 2;
const MAX_PADDING_BYTES = 512;

export interface ExitCheckOptions {
  /** Answers the address that it was asked from; null: the exit is not looked at. */
  readonly url: string | null;
  readonly dial: DialTarget;
  readonly exit: ExitSelector;
  /** Adds a header of random length, so that the size of this request tells nothing. */
  readonly padded: boolean;
}

export interface ExitResult {
  readonly finding: ProtectionFinding;
  readonly address: string | null;
}

/** The address that sites see, and its country, against what was asked for. */
export async function checkExit(options: ExitCheckOptions): Promise<ExitResult> {
  const { url, exit } = options;
  if (url === null) return result(true, "Not looked at: the configuration has no addressCheckUrl.");
  let problem = "";
  for (let count = 0; count < TRIES; count++) {
    try {
      return judged(await ask(new URL(url), options), exit);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
  }
  return result(false, `The exit's address could not be found out: ${problem}`);
}

function judged({ address, country, asn }: SeenAddress, exit: ExitSelector): ExitResult {
  const place = `${address}${country === null ? "" : ` (${country})`}`;
  const wanted = exit.countries ?? (exit.country === undefined ? [] : [exit.country]);
  if (country !== null && wanted.length > 0 && !wanted.includes(country)) {
    return result(false, `Sites see ${place}, and ${wanted.join(" or ")} was asked for.`, address);
  }
  if (asn !== null && exit.asn !== undefined && exit.asn !== asn) {
    return result(false, `Sites see ${place} in AS${asn}, and AS${exit.asn} was asked for.`, address);
  }
  const unsaid = wanted.length > 0 && country === null ? "; the page does not say in which country" : "";
  return result(true, `Sites see ${place}${unsaid}.`, address);
}

function result(good: boolean, detail: string, address: string | null = null): ExitResult {
  return { finding: { check: "exit-address", good, detail }, address };
}

async function ask(url: URL, { dial, padded }: ExitCheckOptions): Promise<SeenAddress> {
  const agent = new DialingAgent(dial, { keepAlive: false });
  try {
    const { status, text } = await fetchText({
      agent,
      host: url.hostname,
      port: url.port === "" ? 80 : Number(url.port),
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, accept: "application/json", ...(padded && { "x-padding": padding() }) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const seen = status === 200 ? readSeenAddress(text) : undefined;
    if (seen) return seen;
    throw new Error(`${url.host} answered ${status} and no address.`);
  } finally {
    agent.destroy();
  }
}

function padding(): string {
  return randomBytes(randomInt(MAX_PADDING_BYTES / 2)).toString("hex");
}
