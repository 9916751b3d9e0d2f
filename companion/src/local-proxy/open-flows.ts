import type { Attribution } from "@atlantic/shared/control/attribution.ts";
import type { Route, RouteId } from "@atlantic/shared/routing/route.ts";
import type { Browser } from "../browsers/browser.ts";
import { isWrong } from "../browsers/plan-rules.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Whose a flow is and where it goes. */
export interface FlowOwner {
  /** Null: any program of this machine's, come by the desktop's proxy settings. */
  readonly browser: Browser | null;
  readonly attribution: Attribution;
  readonly route: Route;
}

/** A tunnel, or one plain request, from the moment it is accepted until its last byte. */
export interface OpenFlow extends Omit<FlowOwner, "route"> {
  readonly target: Target;
  /** Ends it at once, dialling included. */
  close(reason: string): void;
}

/** Every flow that is open, so that a plan, a lost browser or a rotated session can close those that it makes wrong. */
export class OpenFlows {
  readonly #flows = new Set<OpenFlow>();

  add(flow: OpenFlow): void {
    this.#flows.add(flow);
  }

  delete(flow: OpenFlow): void {
    this.#flows.delete(flow);
  }

  get size(): number {
    return this.#flows.size;
  }

  /** Closes the browser's flows that its plan makes wrong. */
  closeWrong(browser: Browser, now: number): number {
    const { plan } = browser;
    return this.#close("the browser's plan changed", (flow) => {
      if (flow.browser !== browser) return false;
      return plan === null || isWrong(plan, flow.attribution, isAwaited(browser, flow, now));
    });
  }

  closeOf(browser: Browser): number {
    return this.#close("the browser is gone", (flow) => flow.browser === browser);
  }

  /** Closes those of programs that came by the desktop's proxy settings. */
  closeOfPrograms(): number {
    return this.#close("the desktop's route changed", (flow) => flow.browser === null);
  }

  closeOn(routeId: RouteId): number {
    return this.#close("the session was rotated", (flow) => flow.attribution.routeId === routeId);
  }

  closeAll(): number {
    return this.#close("the companion is ending", () => true);
  }

  #close(reason: string, isMeant: (flow: OpenFlow) => boolean): number {
    const meant = [...this.#flows].filter(isMeant);
    for (const flow of meant) {
      this.#flows.delete(flow);
      flow.close(reason);
    }
    return meant.length;
  }
}

function isAwaited(browser: Browser, { attribution, target }: OpenFlow, now: number): boolean {
  const pending = browser.pending.at(target.host, target.port, now);
  return pending.some((request) => attribution.kind !== "tab" || request.tabId === attribution.tabId);
}
