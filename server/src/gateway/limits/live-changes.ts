import type { Logger } from "pino";
import type { Change } from "../../changes/change.ts";
import type { ConnectionRecord } from "../../metering/usage-recorder.ts";
import type { GatewayCredential } from "../credential.ts";
import { type CredentialLimits, reasonToEnd } from "./credential-limits.ts";
import { type CredentialSettings, NO_SETTINGS } from "./credential-settings.ts";

const RETRY_MS = 250;

/** What says that something changed (changes/change-feed.ts). */
export interface Changes {
  onChange(listener: (change: Change) => void): () => void;
  onGap(listener: () => void): () => void;
}

export interface LiveChangesParts {
  readonly changes: Changes;
  readonly credentials: {
    suspect(suspected: (credential: { id: string; userId: string }) => boolean): void;
    known(): Iterable<GatewayCredential>;
    reread(ids: readonly string[]): Promise<Map<string, GatewayCredential>>;
    onEnded(listener: (credentialId: string) => void): () => void;
  };
  readonly limits: CredentialLimits;
  readonly gateway: {
    disconnect(connectionId: string): boolean;
    disconnectCredential(credentialId: string): number;
    /** Something changed that is not known yet: nobody is let in by what was decided before. */
    decideAnew(): void;
    /** Ends the flows of a credential for which there is a reason; what connections remember of it is asked anew. */
    recheck(credentialId: string, reason: (flow: ConnectionRecord) => string | undefined): void;
    /** The credentials with open flows, and whose they are. */
    inUse(): Iterable<{ id: string; userId: string }>;
  };
  readonly logger: Logger;
}

/** Lets what changed in the settings, anywhere, take effect on what is open here. @returns how to stop */
export function followChanges(parts: LiveChangesParts): () => void {
  const follower = new ChangeFollower(parts);
  const stops = [
    parts.changes.onChange((change) => {
      if (change.kind === "disconnect") parts.gateway.disconnect(change.connectionId);
      if (change.kind === "settings") {
        const { userId, credentialId } = change;
        follower.suspect(
          (one) => one.userId === userId && (credentialId === null || one.id === credentialId),
        );
      }
    }),
    parts.changes.onGap(() => follower.suspect(() => true)),
    parts.credentials.onEnded((id) => parts.gateway.disconnectCredential(id)),
  ];
  return () => {
    follower.stop();
    for (const stop of stops) stop();
  };
}

/** Reads again what is suspected, one read at a time, until it has an answer. */
class ChangeFollower {
  readonly #parts: LiveChangesParts;
  readonly #suspected = new Map<string, CredentialSettings>();
  #working = false;
  #stopped = false;

  constructor(parts: LiveChangesParts) {
    this.#parts = parts;
  }

  suspect(suspected: (credential: { id: string; userId: string }) => boolean): void {
    const { credentials, gateway } = this.#parts;
    credentials.suspect(suspected);
    gateway.decideAnew();
    for (const credential of credentials.known()) {
      if (suspected(credential)) this.#add(credential.id, credential.settings ?? NO_SETTINGS);
    }
    for (const credential of gateway.inUse()) {
      if (suspected(credential)) this.#add(credential.id, NO_SETTINGS);
    }
    if (!this.#working) this.#work();
  }

  /** The settings by which its flows were let in are the ones before the first of several changes. */
  #add(id: string, before: CredentialSettings): void {
    if (!this.#suspected.has(id)) this.#suspected.set(id, before);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (this.#suspected.size > 0 && !this.#stopped) {
      const batch = new Map(this.#suspected);
      this.#suspected.clear();
      try {
        await this.#reread(batch);
      } catch (error) {
        this.#parts.logger.error({ err: error }, "changed settings could not be read; it is tried again");
        for (const [id, before] of batch) this.#suspected.set(id, before);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    this.#working = false;
  }

  async #reread(batch: ReadonlyMap<string, CredentialSettings>): Promise<void> {
    const { credentials, gateway, limits } = this.#parts;
    const live = await credentials.reread([...batch.keys()]);
    for (const [id, before] of batch) {
      const credential = live.get(id);
      if (credential === undefined) {
        gateway.disconnectCredential(id);
        continue;
      }
      limits.apply(credential);
      const now = credential.settings ?? NO_SETTINGS;
      gateway.recheck(id, (flow) => reasonToEnd(before, now, flow));
    }
  }
}
