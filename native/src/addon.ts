import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { NativeAddon } from "./engine/native-addon.ts";

/** The process at the other end of a Unix socket, as it was when it connected. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export type AddonState =
  | { readonly kind: "loaded" }
  /** `npm run build:native` has not been run, or there is no cargo here. */
  | { readonly kind: "not built" }
  /** It is there and cannot be loaded: built for another system, perhaps. */
  | { readonly kind: "broken"; readonly problem: string };

const path = fileURLToPath(new URL("../dist/atlantic-native.node", import.meta.url));

let loaded: { readonly addon: NativeAddon | null; readonly state: AddonState } | undefined;

function load(): { readonly addon: NativeAddon | null; readonly state: AddonState } {
  if (!existsSync(path)) return { addon: null, state: { kind: "not built" } };
  try {
    return { addon: createRequire(import.meta.url)(path) as NativeAddon, state: { kind: "loaded" } };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { addon: null, state: { kind: "broken", problem } };
  }
}

/** Whether the Rust addon is in use here. */
export function addonState(): AddonState {
  loaded ??= load();
  return loaded.state;
}

/** The Rust addon; null where it is not there. */
export function nativeAddon(): NativeAddon | null {
  loaded ??= load();
  return loaded.addon;
}

/**
 * Sends the service manager a message of sd_notify(3). @returns whether it was sent: null where the addon is not there
 * @param socket what `NOTIFY_SOCKET` says: a path, or an abstract name after `@`
 */
export function tellServiceManager(socket: string, message: string): boolean | null {
  return nativeAddon()?.tellServiceManager(socket, message) ?? null;
}

/**
 * Asks the kernel who is at the other end of a Unix socket; null where the addon is not there to ask.
 * @param fd the descriptor of the connected socket
 * @throws Error when the descriptor is no open Unix socket
 */
export function peerCredentials(fd: number): PeerCredentials | null {
  return nativeAddon()?.peerCredentials(fd) ?? null;
}
