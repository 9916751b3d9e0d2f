import type { Socket } from "node:net";
import type { PeerCredentials } from "@atlantic/native";
import type { Status } from "@atlantic/shared/control/messages.ts";
import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import { allows } from "@atlantic/shared/control/tiers.ts";
import type { Browser } from "../browsers/browser.ts";
import { Link, type NoticeHandlers, type ReportFailure, type RequestHandlers } from "./link.ts";

export interface LinkParts {
  readonly requests: RequestHandlers;
  readonly notices: NoticeHandlers;
  readonly reportFailure: ReportFailure;
  readonly closed: (link: Link) => void;
}

/** The clients that are connected to the control socket. */
export class Links {
  readonly #links = new Set<Link>();

  accept(
    socket: Socket,
    credentials: PeerCredentials | null,
    { requests, notices, reportFailure, closed }: LinkParts,
  ): void {
    const link = new Link(socket, credentials, requests, notices, reportFailure);
    this.#links.add(link);
    void link.closed.then(() => {
      this.#links.delete(link);
      closed(link);
    });
  }

  of(browser: Browser): Link | undefined {
    return [...this.#links].find((link) => link.browser === browser);
  }

  get size(): number {
    return this.#links.size;
  }

  /** Tells everyone who may know. */
  publish(status: Status): void {
    for (const link of this.#links) if (allows(link.tier, "status")) link.tell("status.changed", status);
  }

  /** Tells the browsers what they are to filter by themselves. */
  publishFilter(filter: BrowserFilter): void {
    for (const link of this.#links) if (link.browser) link.tell("dns.changed", filter);
  }
}
