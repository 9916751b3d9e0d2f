import type {
  BrowserNotice,
  CompanionNotice,
  CompanionRequest,
  companionNotices,
  companionRequests,
  ExitView,
  Status,
} from "@atlantic/shared/control/messages.ts";
import type { BrowserFilter } from "@atlantic/shared/control/names.ts";
import { allows } from "@atlantic/shared/control/tiers.ts";
import { browser } from "wxt/browser";
import type { z } from "zod";
import type { Link } from "../messages.ts";
import { NoAnswer, sentenceOf, Wire } from "./wire.ts";

/** Where the companion's proxy is and what it is answered with; known once it has welcomed this browser. */
export type Welcome = NonNullable<z.output<typeof companionRequests.hello.result>["browser"]>;

export interface CompanionEvents {
  /** The link, the status or the exits changed. */
  changed(): void;
  /** The companion has welcomed this browser and waits for its plan. */
  ready(welcome: Welcome): void;
  /** What the browser is to filter by itself is another now. */
  filterChanged(filter: BrowserFilter): Promise<void>;
  helperWanted(wanted: { tabId: number; frameId: number; host: string; port: number }): void;
  routeSet(params: unknown): Promise<void>;
  /** Resolves when the plan that the tabs want is applied, or cannot be. */
  settled(): Promise<void>;
  /** The token under which this browser asks to be paired, made and kept at first use. */
  pairingToken(): Promise<string>;
}

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;
/** A relay that has started and says nothing is given up for another one. */
const HELLO_TIMEOUT_MS = 10_000;

/** The companion as the background sees it: found, paired, lost, found again. */
export class Companion {
  readonly #events: CompanionEvents;
  readonly #wire: Wire;
  #link: Link = { kind: "absent", problem: "Looking for the companion." };
  #welcome: Welcome | null = null;
  #retryMs = FIRST_RETRY_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  status: Status | null = null;
  exits: readonly ExitView[] = [];

  constructor(events: CompanionEvents) {
    this.#events = events;
    this.#wire = new Wire({
      opened: () => void this.#greet().catch((error) => this.#fail(error)),
      closed: (problem) => this.#closed(problem),
      told: (notice, params) => this.#told(notice, params),
      asked: async (request, params) => {
        await this.#answer(request, params);
        return {};
      },
    });
  }

  get link(): Link {
    return this.#link;
  }

  /** Null while the companion is away or does not know this browser. */
  get welcome(): Welcome | null {
    return this.#welcome;
  }

  /** Connects now, whatever the pause between attempts. */
  connect(): void {
    clearTimeout(this.#timer);
    if (!this.#wire.isOpen) this.#wire.open();
  }

  ask<Request extends CompanionRequest>(
    request: Request,
    params: z.input<(typeof companionRequests)[Request]["params"]>,
    timeoutMs?: number,
  ): Promise<z.output<(typeof companionRequests)[Request]["result"]>> {
    return this.#wire.ask(request, params, timeoutMs);
  }

  tell<Notice extends CompanionNotice>(
    notice: Notice,
    params: z.input<(typeof companionNotices)[Notice]["params"]>,
  ): void {
    if (this.#welcome) this.#wire.tell(notice, params);
  }

  /** The person has compared the words. */
  async answerPairing(accepted: boolean): Promise<void> {
    await this.#wire.ask("pair.confirm", { accepted });
  }

  async refreshExits(): Promise<void> {
    if (!this.#welcome) return;
    this.exits = await this.#wire.ask("exits.list", {});
    this.#events.changed();
  }

  /** Blocks ads on a site, or lets them through there; resolves when the browser does so too. */
  async blockAds(site: string, on: boolean): Promise<void> {
    await this.#wire.ask("dns.site", { site, filtered: on });
    await this.#refreshFilter();
  }

  async #refreshFilter(): Promise<void> {
    await this.#events.filterChanged(await this.#wire.ask("dns.browser", {}));
  }

  /** @throws Error when this browser cannot do it */
  #answer(request: string, params: unknown): Promise<void> {
    if (request === "route.set") return this.#events.routeSet(params);
    // What has been seen was told at once, on the same way as the answer.
    if (request === "news.told") return this.#events.settled();
    throw new Error("This browser does not know that request.");
  }

  async #greet(): Promise<void> {
    const token = await this.#events.pairingToken();
    const { version } = browser.runtime.getManifest();
    const client = { kind: "extension", name: browserName(), version } as const;
    const hello = await this.#wire.ask("hello", { client, pairingToken: token }, HELLO_TIMEOUT_MS);
    if (hello.browser && allows(hello.tier, "choose")) return this.#welcomed(hello.browser);
    this.#become({ kind: "unpaired", words: null });
    const { words, expiresAt } = await this.#wire.ask("pair.begin", { token });
    if (this.#welcome) return;
    this.#become({ kind: "unpaired", words });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#greetAgain(), Math.max(1_000, expiresAt - Date.now()));
  }

  #greetAgain(): void {
    if (this.#wire.isOpen) this.#greet().catch((error) => this.#fail(error));
  }

  #welcomed(welcome: Welcome): void {
    this.#retryMs = FIRST_RETRY_MS;
    clearTimeout(this.#timer);
    this.#welcome = welcome;
    this.#become({ kind: "ready" });
    this.#events.ready(welcome);
    this.refreshExits().catch(() => {});
    this.#refreshFilter().catch(() => {});
    this.#wire.ask("status.get", {}).then(
      (status) => this.#told("status.changed", status),
      () => {},
    );
  }

  #told(notice: BrowserNotice, params: unknown): void {
    if (notice === "status.changed") {
      this.status = params as Status;
      this.#events.changed();
    } else if (notice === "dns.changed") {
      this.#events.filterChanged(params as BrowserFilter).catch(() => {});
    } else if (notice === "helper.wanted") {
      this.#events.helperWanted(params as Parameters<CompanionEvents["helperWanted"]>[0]);
    } else if (notice === "pair.settled") {
      this.#greetAgain();
    }
  }

  #fail(error: unknown): void {
    if (this.#link.kind === "ready" || !this.#wire.isOpen) return;
    if (error instanceof NoAnswer) this.#wire.drop(error.message);
    else {
      this.#become({ kind: "absent", problem: sentenceOf(error) });
      this.#later();
    }
  }

  #closed(problem: string): void {
    const was = this.#link;
    this.#welcome = null;
    if (was.kind === "ready") this.#become({ kind: "lost", since: Date.now(), problem });
    else if (was.kind === "lost") this.#become({ ...was, problem });
    else this.#become({ kind: "absent", problem });
    this.#later();
  }

  #later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#wire.isOpen ? this.#greetAgain() : this.connect()), this.#retryMs);
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
  }

  #become(link: Link): void {
    this.#link = link;
    this.#events.changed();
  }
}

function browserName(): string {
  const brand = /(Firefox|Edg|Chrome)\/\d+/.exec(navigator.userAgent)?.[1] ?? "Browser";
  return brand === "Edg" ? "Edge" : brand;
}
