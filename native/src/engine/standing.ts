import type { DialPlan } from "../dial-plan.ts";
import type { CommandWriter } from "./command-writer.ts";
import { writeOpenPlan, writePlan } from "./native-plan.ts";
import { verbs } from "./protocol.ts";

/*
 * What is decided in advance for a listener, so that the engine need not ask: null takes it back. Numbers are written in
 * the order in which native/carrier reads them.
 */

/** A client's answer. */
export type StandingReply =
  /** What is before and behind the id of its request: a UUID of version 7. */
  | { readonly kind: "with id"; readonly before: string; readonly behind: string }
  /** Its last six bytes become the address and port that the exit's connection is bound to. */
  | { readonly kind: "ends in address"; readonly bytes: Buffer };

/** How requests that are alike are carried at once, CONNECT's or SOCKS5's. Times in milliseconds. */
export interface StandingConnect {
  /** By which clients tell that it carries them. */
  readonly number: number;
  readonly livesMs: number;
  /** For how many clients. */
  readonly uses: number;
  /** The client's address. */
  readonly client: string;
  /** As the client says it: the whole header section, or greeting, login and request of SOCKS5. */
  readonly head: Buffer;
  readonly reply: StandingReply;
  readonly plan: DialPlan;
  readonly connectMs: number;
  readonly idleMs: number;
  readonly halfOpenIdleMs: number;
  /** Handles of a native allowance and rate; 0: none. While the allowance is empty or closed, it does not stand. */
  readonly allowance: number;
  readonly rate: number;
}

/** A login that was right just now. */
export interface KnownLogin {
  /** In milliseconds. */
  readonly livesMs: number;
  /** The client's address. */
  readonly client: string;
  /** As the client says it (RFC 1929 §2). */
  readonly login: Buffer;
}

/** How flows that are diverted from now on are carried at once. Times in milliseconds. */
export interface StandingPlan {
  /** By which flows tell that it carries them; from 1. */
  readonly number: number;
  /** Its proxy's target is each flow's own. */
  readonly plan: DialPlan;
  /** Addresses about which is decided one by one. */
  readonly excepted: readonly { readonly address: string; readonly prefix: number }[];
  readonly connectMs: number;
  readonly idleMs: number;
  readonly halfOpenIdleMs: number;
}

export function writeStandingPlan(
  writer: CommandWriter,
  listener: number,
  standing: StandingPlan | null,
): void {
  writer.begin(verbs.stand, listener, 0);
  if (standing) {
    writer.number(standing.number);
    writer.number(standing.idleMs);
    writer.number(standing.halfOpenIdleMs);
    writer.number(standing.excepted.length);
    for (const { address, prefix } of standing.excepted) {
      writer.text(address);
      writer.number(prefix);
    }
    writeOpenPlan(writer, standing.plan, standing.connectMs);
  }
  writer.end();
}

export function writeStandingConnect(
  writer: CommandWriter,
  listener: number,
  standing: StandingConnect | null,
): void {
  writer.begin(verbs.standConnect, listener, 0);
  if (standing) {
    writer.number(standing.number);
    writer.number(standing.livesMs);
    writer.number(standing.uses);
    writer.text(standing.client);
    writer.bytes(standing.head);
    writeReply(writer, standing.reply);
    writer.number(standing.idleMs);
    writer.number(standing.halfOpenIdleMs);
    writer.number(standing.allowance);
    writer.number(standing.rate);
    writePlan(writer, standing.plan, standing.connectMs);
  }
  writer.end();
}

function writeReply(writer: CommandWriter, reply: StandingReply): void {
  const endsInAddress = reply.kind === "ends in address";
  writer.number(endsInAddress ? 1 : 0);
  if (endsInAddress) writer.bytes(reply.bytes);
  else writer.text(reply.before);
  writer.text(endsInAddress ? "" : reply.behind);
}

export function writeKnownLogin(writer: CommandWriter, listener: number, known: KnownLogin | null): void {
  writer.begin(verbs.knowLogin, listener, 0);
  if (known) {
    writer.number(known.livesMs);
    writer.text(known.client);
    writer.bytes(known.login);
  }
  writer.end();
}
