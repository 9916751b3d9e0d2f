import { HeldFirewall } from "./held-firewall.ts";
import type { Endpoint, Policy } from "./policy.ts";

/** The kernel's rules, held by a process that outlives the daemon. */
export interface Firewall {
  /** "owned": the kernel lets nobody else change the table (Linux 6.9 and later). "watched": put back when changed. */
  readonly holding: "owned" | "watched";
  /** Replaces all rules in one transaction. @throws FirewallError, and then nothing has changed */
  apply(policy: Policy): Promise<void>;
  /** Swaps the upstreams of the policy in force, in one transaction. @throws FirewallError, and then nothing has changed */
  replaceUpstreams(upstreams: readonly Endpoint[]): Promise<void>;
  /** Takes all rules away. Only what the user asked for may call this. */
  open(): Promise<void>;
  inspect(): Promise<FirewallState>;
  /** @returns what ends the listening */
  onTrouble(listener: (trouble: FirewallTrouble) => void): () => void;
  /** Ends the conversation; the rules stay. */
  close(): Promise<void>;
}

export interface FirewallState {
  /** The kernel's count of changes to all its tables, ours or not. */
  readonly generation: number;
  /** SHA-256 over the rules as the kernel has them: equal for equal rules. */
  readonly digest: string;
  /** Whether the kernel has what was last applied, on every link. */
  readonly intact: boolean;
  /** Whether there are rules at all: false when open. */
  readonly blocking: boolean;
}

/** Something that should not have happened to the rules. */
export interface FirewallTrouble {
  /**
   * `changed`: others changed the rules, and they are put back. `holder-gone`: the holding process ended; the rules
   * stay. `holder-back`: it runs again and holds the rules. `link`: a link came up and now has its rules.
   * `setting`: a kernel setting was changed and put back. `unsaved`: the rules hold and could not be written to disk,
   * which is tried again. `failed`: rules could not be put back: blocking itself fails.
   */
  readonly kind: "changed" | "holder-gone" | "holder-back" | "link" | "setting" | "unsaved" | "failed";
  /** One or two sentences for people. */
  readonly message: string;
  /** For how long something may have passed that should not, in milliseconds, as far as it was measured; else null. */
  readonly openMs: number | null;
}

export interface FirewallOptions {
  /** Where the holder listens, and where it is started when nothing does. */
  readonly socket: string;
  /** False where the system's service manager starts it: a second one would be in its way. Default true. */
  readonly startsHolder?: boolean;
  /** Where the holder keeps the rules in force, to put them back after it was killed. */
  readonly state: string;
  /** The holder and its first arguments, e.g. `["ip", "netns", "exec", NAME, PROGRAM]`; default the one that is built. */
  readonly command?: readonly string[];
  /** "watched" also where the kernel could do better; for tests. Default "owned" where it can. */
  readonly holding?: "owned" | "watched";
}

/**
 * Finds the process that holds the rules, or starts it: it outlives this one.
 *
 * @throws FirewallError when there is none and none can be started
 */
export function openFirewall(options: FirewallOptions): Promise<Firewall> {
  return HeldFirewall.open(options);
}
