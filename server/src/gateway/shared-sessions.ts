import type { ExitSession } from "@atlantic/shared/exits/selector.ts";

/** What all processes of a gateway must agree on about a session. */
export interface SessionBeginning {
  /** How many addresses of this name there were before. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly lost: boolean;
  readonly upstream: string | undefined;
}

/** Where processes agree on sessions. Asked when a session begins in a process, never for a connection. */
export interface SharedSessions {
  /** Begins the session, or tells of the one that began elsewhere; however many ask at once, all hear the same. */
  begin(name: string, wished: Pick<ExitSession, "lifetimeMinutes" | "mode">): Promise<SessionBeginning>;
  /** Its address is another one now. Told in the background. */
  move(name: string, number: number): void;
  /** Its address is gone. Told in the background. */
  lose(name: string): void;
  /** The upstream that it stays with. Told in the background. */
  bind(name: string, upstream: string): void;
  /** Calls the listener with what was moved, lost or bound elsewhere, within about a second. */
  onChange(listener: (name: string, now: Omit<SessionBeginning, "expiresAt">) => void): void;
}
