import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { BrowserNotice, BrowserPlan, browserNotices } from "@atlantic/shared/control/messages.ts";
import type { z } from "zod";
import { PendingRequests } from "./pending-requests.ts";
import { Sounding } from "./sounding.ts";

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
  /** Whether it has told everything that it had seen. */
  readonly sounding: Sounding;
  /** Null until the browser has applied one: until then nothing of it is accepted. */
  plan: BrowserPlan | null = null;

  constructor(parts: {
    id: string;
    name: string;
    secrets: BrowserSecrets;
    tell: TellBrowser;
    hasToldAll: () => Promise<unknown>;
  }) {
    this.id = parts.id;
    this.name = parts.name;
    this.secrets = parts.secrets;
    this.tell = parts.tell;
    this.sounding = new Sounding(parts.hasToldAll);
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
