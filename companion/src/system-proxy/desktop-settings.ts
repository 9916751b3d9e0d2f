import type { DesktopKind, RestoredSettings } from "@atlantic/shared/control/system-proxy.ts";
import { ClearError } from "../clear-error.ts";
import type { DesktopStore, DesktopValues, ProxyAddress } from "./desktop-store.ts";
import { changesTo, restorationOf, type SettingChange, valuesOf } from "./setting-change.ts";
import { deleteRecord, readRecord, writeRecord } from "./settings-record.ts";

export interface PointedSettings {
  /** Whose settings lead to the proxy now, for people. */
  readonly desktops: readonly string[];
  /** Why others' do not. */
  readonly problems: readonly string[];
}

interface Plan {
  readonly store: DesktopStore;
  readonly changes: readonly SettingChange[];
}

/** The desktop's proxy settings: pointed somewhere, and put back as they were, whatever happened in between. */
export class DesktopSettings {
  readonly #recordPath: string;
  readonly #storeOf: (kind: DesktopKind) => DesktopStore;

  constructor(recordPath: string, storeOf: (kind: DesktopKind) => DesktopStore) {
    this.#recordPath = recordPath;
    this.#storeOf = storeOf;
  }

  /** Whether what was there is still to be put back. @throws ClearError when that cannot be told */
  get isChanged(): boolean {
    return readRecord(this.#recordPath) !== null;
  }

  /**
   * Points every one of these desktops that lets itself be read. What stood there is on disk first.
   * @throws ClearError when none could be pointed; then everything is as it was
   */
  async point(kinds: readonly DesktopKind[], at: ProxyAddress): Promise<PointedSettings> {
    await this.restore();
    const { plans, problems } = await this.#plan(kinds, at);
    if (plans.length === 0 && problems.length > 0) throw new ClearError(problems.join(" "));
    if (plans.length === 0) return { desktops: [], problems };
    writeRecord(this.#recordPath, {
      version: 1,
      desktops: plans.map(({ store, changes }) => ({ kind: store.kind, changes: [...changes] })),
    });
    try {
      for (const plan of plans) await carryOut(plan);
    } catch (error) {
      await this.restore();
      throw error;
    }
    return { desktops: plans.map(({ store }) => store.name), problems };
  }

  /**
   * Puts back what was there, but for what somebody else has changed since.
   * @returns null when there is nothing to put back
   * @throws ClearError when it could not be done; it can be tried again
   */
  async restore(): Promise<RestoredSettings | null> {
    const record = readRecord(this.#recordPath);
    if (record === null) return null;
    const desktops: string[] = [];
    const left: string[] = [];
    for (const { kind, changes } of record.desktops) {
      const store = this.#storeOf(kind);
      const restoration = restorationOf(changes, await store.read());
      if (restoration.values.size > 0) await store.write(restoration.values);
      await checkWritten(store, restoration.values);
      desktops.push(store.name);
      left.push(...restoration.left.map((name) => `${store.name}: ${name}`));
    }
    deleteRecord(this.#recordPath);
    return { desktops, left };
  }

  async #plan(kinds: readonly DesktopKind[], at: ProxyAddress) {
    const plans: Plan[] = [];
    const problems: string[] = [];
    for (const kind of kinds) {
      const store = this.#storeOf(kind);
      try {
        const now = await store.read();
        plans.push({ store, changes: changesTo(store.wanted(at, now), now) });
      } catch (error) {
        if (!(error instanceof ClearError)) throw error;
        problems.push(error.message);
      }
    }
    return { plans, problems };
  }
}

async function carryOut({ store, changes }: Plan): Promise<void> {
  if (changes.length === 0) return;
  await store.write(valuesOf(changes));
  await checkWritten(store, valuesOf(changes));
}

/** A settings program may say that all is well where nothing could be written. */
async function checkWritten(store: DesktopStore, values: DesktopValues): Promise<void> {
  if (values.size === 0) return;
  const now = await store.read();
  const wrong = [...values].filter(([name, value]) => (now.get(name) ?? null) !== value);
  if (wrong.length === 0) return;
  const names = wrong.map(([name]) => name).join(", ");
  throw new ClearError(
    `${store.name} did not take the proxy settings (${names}): is the companion running in your desktop's session?`,
  );
}
