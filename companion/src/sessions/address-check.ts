import type { SessionView } from "@atlantic/shared/control/messages.ts";
import { errorText, ProxyError } from "@atlantic/shared/errors.ts";
import type { Route, RouteId } from "@atlantic/shared/routing/route.ts";
import { z } from "zod";
import { fetchText } from "../upstream/fetch-text.ts";
import type { RouteDialer } from "../upstream/route-dialer.ts";
import type { SessionBook } from "./session-book.ts";

const answerSchema = z.object({ address: z.union([z.ipv4(), z.ipv6()]) });

const TIMEOUT_MS = 15_000;

/** A check that failed is made again after this long. */
const RETRY_AFTER_MS = 20_000;

/** Finds out which address sites see on a route, by asking a page that says so, through the route itself. */
export class AddressCheck {
  readonly #url: URL | null;
  readonly #dialer: RouteDialer;
  readonly #sessions: SessionBook;
  readonly #running = new Map<string, Promise<void>>();

  constructor(url: string | null, dialer: RouteDialer, sessions: SessionBook) {
    this.#url = url === null ? null : new URL(url);
    this.#dialer = dialer;
    this.#sessions = sessions;
  }

  /** Resolves when the session's address, or why it could not be found out, is in the book. Never rejects. */
  run(routeId: RouteId, route: Route): Promise<void> {
    if (this.#url === null || route.kind !== "exit") return Promise.resolve();
    const { id } = this.#sessions.current(routeId);
    const running = this.#running.get(id) ?? this.#check(this.#url, routeId, route, id);
    this.#running.set(id, running);
    return running.finally(() => this.#running.delete(id));
  }

  /** Checks a session that has no answer yet, or only a problem a while ago; begins one where there is none. */
  async runIfUnknown(routeId: RouteId, route: Route): Promise<void> {
    const view = this.#sessions.view(routeId);
    const isDue = view === undefined || view.addressCheckedAt === null || isOldProblem(view, Date.now());
    if (isDue) await this.run(routeId, route);
  }

  async #check(
    url: URL,
    routeId: RouteId,
    route: Route & { kind: "exit" },
    sessionId: string,
  ): Promise<void> {
    try {
      this.#sessions.checked(routeId, sessionId, { address: await this.#ask(url, routeId, route) });
    } catch (error) {
      this.#sessions.checked(routeId, sessionId, { problem: problemOf(error) });
    }
  }

  async #ask(url: URL, routeId: RouteId, route: Route & { kind: "exit" }): Promise<string> {
    const target = { host: url.hostname, port: url.port === "" ? 80 : Number(url.port) };
    const path = this.#dialer.plain(route, routeId, target);
    const isForwarded = path.proxyAuthorization !== null;
    const { status, text } = await fetchText({
      agent: path.agent,
      host: path.host,
      port: path.port,
      path: isForwarded ? url.href : `${url.pathname}${url.search}`,
      headers: {
        host: url.host,
        accept: "application/json",
        ...(path.proxyAuthorization !== null && { "proxy-authorization": path.proxyAuthorization }),
      },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (status === 407) throw new ProxyError("wrong_credentials");
    if (status !== 200)
      throw new ProxyError("upstream_failed", firstLine(text) ?? `The check answered ${status}.`);
    return answerSchema.parse(JSON.parse(text)).address;
  }
}

function isOldProblem({ problem, addressCheckedAt }: SessionView, now: number): boolean {
  return problem !== null && addressCheckedAt !== null && now - addressCheckedAt >= RETRY_AFTER_MS;
}

function problemOf(error: unknown): string {
  if (error instanceof ProxyError) return firstLine(errorText(error)) ?? errorText(error);
  if (error instanceof Error && error.name === "TimeoutError")
    return "The exit did not answer in time. Try another.";
  return "The address check was not answered as it should be. Check addressCheckUrl in the companion's configuration.";
}

/** The gateway's errors are plain text whose first line says the cause. */
function firstLine(text: string): string | undefined {
  const line = text.split("\n", 1)[0]?.trim();
  return line && line.length <= 300 && !line.startsWith("<") ? line : undefined;
}
