import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { BrowserNotice, BrowserPlan, browserNotices } from "@atlantic/shared/control/messages.ts";
import type { z } from "zod";
import { PendingRequests } from "./pending-requests.ts";

/** The secrets of one paired browser. They hold as long as the companion runs and the browser is connected. */
export interface BrowserSecrets {
  /** Hexadecimal: the password of a credential ends it with a dot and the nonce. */
  readonly proxySecret: string;
  readonly headerToken: string;
}

export type TellBrowser = <Notice extends BrowserNotice>(
  notice: Notice,
  params: z.input<(typeof browserNotices)[Notice]["params"]>,
) => void;

/** A paired browser while its control connection lives. */
export class Browser {
  readonly id: string;
  readonly name: string;
  readonly secrets: BrowserSecrets;
  readonly pending = new PendingRequests();
  readonly tell: TellBrowser;
  /** Null until the browser has applied one: until then nothing of it is accepted. */
  plan: BrowserPlan | null = null;

  constructor(id: string, name: string, secrets: BrowserSecrets, tell: TellBrowser) {
    this.id = id;
    this.name = name;
    this.secrets = secrets;
    this.tell = tell;
  }
}

export function newSecrets(): BrowserSecrets {
  return { proxySecret: randomBytes(24).toString("hex"), headerToken: randomBytes(24).toString("hex") };
}

/** Compares two secrets in time that tells nothing about them. */
export function sameSecret(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
