import type { Socket } from "node:net";
import type {
  RestoredSettings,
  SystemProxyView,
  SystemProxyWish,
} from "@atlantic/shared/control/system-proxy.ts";
import { type Route, type RouteId, routeId } from "@atlantic/shared/routing/route.ts";
import { ClearError } from "../clear-error.ts";
import type { CarryParts } from "../local-proxy/connect-handler.ts";
import { LocalProxy, PROXY_HOST } from "../local-proxy/local-proxy.ts";
import type { FlowOwner } from "../local-proxy/open-flows.ts";
import type { DesktopSettings } from "./desktop-settings.ts";
import { programDoors } from "./program-doors.ts";
import { userOfPeer } from "./user-of-peer.ts";

type ExitRoute = Extract<Route, { kind: "exit" }>;

const LEFTOVER =
  "They lead to a companion that has ended, so that programs which read them reach nothing; putting them back failed.";

interface Connected {
  readonly proxy: LocalProxy;
  readonly port: number;
  readonly route: ExitRoute;
  readonly desktops: readonly string[];
  readonly problems: readonly string[];
}

export interface SystemProxyParts extends CarryParts {
  readonly settings: DesktopSettings;
  /** It was switched on or off. */
  readonly changed: () => void;
}

/**
 * A proxy on loopback for programs that read the desktop's proxy settings, and those settings pointed at it. It is
 * there only while the person has asked for it.
 */
export class SystemProxy {
  readonly #parts: SystemProxyParts;
  #connected: Connected | null = null;
  /** One change at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: SystemProxyParts) {
    this.#parts = parts;
  }

  view(): SystemProxyView | null {
    if (this.#connected === null) return null;
    const { port, route, desktops, problems } = this.#connected;
    return {
      port,
      exit: route.exit,
      routeId: routeId(route),
      desktops: [...desktops],
      problems: [...problems],
    };
  }

  /** What still stands of an earlier run and could not be put back, as a sentence; null when nothing does. */
  leftover(): string | null {
    if (this.#connected !== null) return null;
    try {
      return this.#parts.settings.isChanged ? LEFTOVER : null;
    } catch (error) {
      if (error instanceof ClearError) return error.message;
      throw error;
    }
  }

  /** The exit in use, by its route's id. */
  routeOf(id: RouteId): Route | undefined {
    const route = this.#connected?.route;
    return route && routeId(route) === id ? route : undefined;
  }

  /**
   * Opens the proxy and points the desktops at it; connected already, everything moves to what is wished now.
   * @throws ClearError when it could not be done; then the settings are as they were
   */
  connect(wish: SystemProxyWish): Promise<void> {
    return this.#oneByOne(async () => {
      await this.#close();
      const route: ExitRoute = { kind: "exit", exit: wish.exit };
      const owner: FlowOwner = {
        browser: null,
        attribution: { kind: "steady", routeId: routeId(route) },
        route,
      };
      const proxy = new LocalProxy(
        programDoors(this.#parts, () => owner),
        isOwnProgram,
      );
      const port = await proxy.listen(wish.port);
      try {
        const pointed = await this.#parts.settings.point(wish.desktops, { host: PROXY_HOST, port });
        this.#connected = { proxy, port, route, ...pointed };
      } catch (error) {
        await proxy.close();
        throw error;
      } finally {
        this.#parts.changed();
      }
    });
  }

  /**
   * Puts the settings back and closes the proxy; what earlier runs left is put back as well.
   * @returns null when there was nothing to end and nothing to put back
   * @throws ClearError when the settings could not be put back; the proxy is closed all the same
   */
  disconnect(): Promise<RestoredSettings | null> {
    return this.#oneByOne(() => this.#close());
  }

  /** First the settings, so that no program is sent to a proxy that is closed. */
  async #close(): Promise<RestoredSettings | null> {
    const before = this.#connected;
    try {
      const restored = await this.#parts.settings.restore();
      return restored ?? (before && { desktops: [], left: [] });
    } finally {
      this.#connected = null;
      this.#parts.flows.closeOfPrograms();
      await before?.proxy.close();
      if (before) this.#parts.changed();
    }
  }

  #oneByOne<Result>(act: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(act, act);
    this.#last = result.catch(() => {});
    return result;
  }
}

/**
 * No password is asked for, and the traffic is this person's: another user's programs get none of it. Root may do as it
 * likes anyway. Only Linux says who asks.
 */
async function isOwnProgram(socket: Socket): Promise<boolean> {
  if (process.platform !== "linux") return true;
  const user = await userOfPeer(socket);
  return user === process.getuid?.() || user === 0;
}
