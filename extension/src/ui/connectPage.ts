import { browser } from "wxt/browser";
import { decodeModel, PAGE_PORT, type PageCommand, type PageUpdate, type PopupModel } from "../messages.ts";

/** What a page knows: the background's latest model, and what went wrong with the last command. */
export interface PageState {
  /** Null until the background has answered for the first time. */
  readonly model: PopupModel | null;
  readonly problem: string | null;
}

/** A page's end of the port to the background. */
export interface Page {
  readonly subscribe: (changed: () => void) => () => void;
  readonly read: () => PageState;
  readonly send: (command: PageCommand) => void;
  readonly dismissProblem: () => void;
}

const RECONNECT_MS = 250;

const RELOADED = "The extension was updated or switched off. Close this window and open it again.";

/** Opens the port, and opens it again when the browser has put the background to sleep. */
export function connectPage(): Page {
  let state: PageState = { model: null, problem: null };
  let port: ReturnType<typeof browser.runtime.connect> | null = null;
  const listeners = new Set<() => void>();

  function change(next: Partial<PageState>): void {
    state = { ...state, ...next };
    for (const listener of listeners) listener();
  }

  function receive(update: PageUpdate): void {
    change(update.kind === "model" ? { model: decodeModel(update.json) } : { problem: update.sentence });
  }

  function open(): void {
    try {
      port = browser.runtime.connect({ name: PAGE_PORT });
    } catch {
      change({ problem: RELOADED });
      return;
    }
    port.onMessage.addListener(receive);
    port.onDisconnect.addListener(() => {
      port = null;
      setTimeout(() => port ?? open(), RECONNECT_MS);
    });
  }

  open();
  return {
    subscribe(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    read: () => state,
    send(command) {
      change({ problem: null });
      if (!port) open();
      port?.postMessage(command);
    },
    dismissProblem: () => change({ problem: null }),
  };
}
