import type { Socket } from "node:net";
import type { PeerCredentials } from "@atlantic/native";
import {
  type BrowserRequest,
  browserRequests,
  type CompanionNotice,
  type CompanionRequest,
  companionNotices,
  companionRequests,
} from "@atlantic/shared/control/messages.ts";
import { allows, type Tier } from "@atlantic/shared/control/tiers.ts";
import type { z } from "zod";
import type { Browser, TellBrowser } from "../browsers/browser.ts";
import { ControlFailure } from "./control-failure.ts";
import { LinePeer } from "./line-peer.ts";

export type RequestHandlers = {
  readonly [Name in CompanionRequest]: (
    link: Link,
    params: z.output<(typeof companionRequests)[Name]["params"]>,
  ) =>
    | Promise<z.input<(typeof companionRequests)[Name]["result"]>>
    | z.input<(typeof companionRequests)[Name]["result"]>;
};

export type NoticeHandlers = {
  readonly [Name in CompanionNotice]: (
    link: Link,
    params: z.output<(typeof companionNotices)[Name]["params"]>,
  ) => void;
};

/** What is reported of a request that failed inside: never its parameters. */
export type ReportFailure = (request: string, error: unknown) => void;

/** One client of the control socket: what it is, what it may do, and what it says. */
export class Link {
  /** What it may do now. */
  tier: Tier = "none";
  /** It came through the native-messaging relay, and never becomes anything but a browser. */
  isRelayed = false;
  /** It presented a good pairing ticket. */
  ticket: string | null = null;
  /** What it calls itself. */
  name = "unnamed";
  /** The paired browser that it is. */
  browser: Browser | null = null;
  /** The pairing that it asked for. */
  pairingId: string | null = null;
  readonly closed: Promise<void>;
  /** The process at the other end; null where the kernel cannot be asked. */
  readonly credentials: PeerCredentials | null;
  readonly #peer: LinePeer;

  constructor(
    socket: Socket,
    credentials: PeerCredentials | null,
    requests: RequestHandlers,
    notices: NoticeHandlers,
    report: ReportFailure,
  ) {
    this.credentials = credentials;
    this.#peer = new LinePeer(socket, {
      ask: async (name, params) => {
        if (!isKeyOf(companionRequests, name)) throw unknownRequest(name);
        return this.#answer(requests, name, params, report);
      },
      tell: (name, params) => {
        if (isKeyOf(companionNotices, name)) this.#hear(notices, name, params);
      },
    });
    this.closed = this.#peer.closed;
  }

  readonly tell: TellBrowser = (notice, params) => this.#peer.tell(notice, params);

  /** @throws ControlFailure */
  async ask<Name extends BrowserRequest>(
    name: Name,
    params: z.input<(typeof browserRequests)[Name]["params"]>,
  ): Promise<z.output<(typeof browserRequests)[Name]["result"]>> {
    const reply = browserRequests[name].result.safeParse(await this.#peer.ask(name, params));
    if (reply.success) return reply.data as z.output<(typeof browserRequests)[Name]["result"]>;
    throw new ControlFailure("malformed", "The browser's reply cannot be read.");
  }

  close(): void {
    this.#peer.close();
  }

  async #answer<Name extends CompanionRequest>(
    handlers: RequestHandlers,
    name: Name,
    params: unknown,
    report: ReportFailure,
  ): Promise<unknown> {
    if (!allows(this.tier, companionRequests[name].tier))
      throw notAllowed(name, companionRequests[name].tier);
    const read = companionRequests[name].params.safeParse(params);
    if (!read.success) throw malformed(name, read.error);
    try {
      return await handlers[name](this, read.data as Parameters<RequestHandlers[Name]>[1]);
    } catch (error) {
      if (!(error instanceof ControlFailure)) report(name, error);
      throw error;
    }
  }

  #hear<Name extends CompanionNotice>(handlers: NoticeHandlers, name: Name, params: unknown): void {
    if (!allows(this.tier, companionNotices[name].tier)) return;
    const read = companionNotices[name].params.safeParse(params);
    if (read.success) handlers[name](this, read.data as Parameters<NoticeHandlers[Name]>[1]);
  }
}

function isKeyOf<Table extends object>(table: Table, name: string): name is Extract<keyof Table, string> {
  return Object.hasOwn(table, name);
}

function unknownRequest(name: string): ControlFailure {
  return new ControlFailure(
    "unknown_request",
    `The companion does not know "${name.slice(0, 60)}": it may be older.`,
  );
}

function notAllowed(name: string, tier: Tier): ControlFailure {
  const remedy =
    tier === "release"
      ? "only the operating system gives it: use the atlantic command, with sudo where it is not asked for."
      : "pair this browser first.";
  return new ControlFailure("not_allowed", `"${name}" needs the permission "${tier}": ${remedy}`);
}

/** Names the places that are wrong, not what stood there. */
function malformed(name: string, error: z.ZodError): ControlFailure {
  const places = error.issues.slice(0, 5).map((issue) => issue.path.join(".") || "the parameters");
  return new ControlFailure("malformed", `"${name}" was not understood: ${places.join(", ")}.`);
}
