import type { z } from "zod";
import type { ProxyErrorCode } from "../../errors.ts";
import type { ExitSelector } from "../selector.ts";
import type { ProviderSession } from "./provider-session.ts";
import type { SessionIdForm } from "./session-id.ts";
import type { UsageSource } from "./usage-source.ts";

/** How traffic enters a provider. */
export type EntryProtocol = "http" | "https" | "socks5";

export interface ProviderEntry {
  readonly host: string;
  readonly port: number;
}

/** What an exit can be chosen by, beyond the pool and the tier, which are ours. */
export type ExitPart = "country" | "continent" | "region" | "city" | "postalCode" | "asn";

/** Who says that a spelling is right: the provider's own pages, or only what others wrote. */
export type Evidence = "vendor" | "community";

/** What a provider's sessions are like. */
export interface SessionRules {
  readonly id: SessionIdForm;
  /** Minutes; what is asked beyond them is brought to them. `null`: the provider takes no lifetime. */
  readonly lifetime: { readonly minimum: number; readonly maximum: number } | null;
  /** How often a session without traffic must be used, in milliseconds; `null`: no idle limit is known. */
  readonly keepAliveMs: number | null;
  /** Whether it can promise one address or an error, as the modes strict and oneip ask. */
  readonly oneAddress: boolean;
  readonly evidence: Evidence;
}

/** A spelling that sources disagree on: which field of the account decides it, and what it may be. */
export interface Dispute {
  /** A field of the entry in `upstreams.json`. */
  readonly option: string;
  readonly values: readonly [string | number, string | number];
  /** For people: "Is sessionlength in seconds or in minutes?" */
  readonly question: string;
  /** What to ask for, so that the values behave differently. */
  readonly probe:
    | { readonly kind: "exit"; readonly exit: ExitSelector }
    /** A session of `minutes`, written as `as` says, is looked at again after `seconds`. */
    | {
        readonly kind: "lifetime";
        readonly as: { readonly option: string; readonly value: string };
        readonly minutes: number;
        readonly seconds: number;
        /** The value that is right where the address has changed by then, and where it was kept. */
        readonly changed: string;
        readonly kept: string;
      };
}

/** What a provider answered when it refused, by HTTP; header names in lower case. */
export interface ProviderRefusal {
  readonly status: number;
  /** The reason phrase or the first words of the answer. */
  readonly reason: string;
  readonly headers: ReadonlyMap<string, string>;
}

/** Where to connect, and the login to show there. */
export interface ProviderRequest extends ProviderEntry {
  /** None: the provider knows the client by its address. */
  readonly username?: string;
  readonly password?: string;
}

/** One account at a provider, ready to be asked for exits. */
export interface BoundProvider {
  readonly adapter: ProviderAdapter;
  readonly protocol: EntryProtocol;
  readonly tier: string;
  readonly session: SessionRules | null;
  /**
   * How to ask for an exit. Countries must be narrowed to one before (`candidateExits`).
   * @throws ProxyError `no_exit` naming the part that this provider cannot choose by
   */
  ask(exit: ExitSelector, session: ProviderSession | undefined): ProviderRequest;
  /** The same with everything secret masked, for people. */
  show(exit: ExitSelector, session: ProviderSession | undefined): ProviderRequest;
}

/** A provider as the gateway knows it: data for people, and how logins are spelled. */
export interface ProviderAdapter {
  /** Its `kind` in `upstreams.json`. */
  readonly kind: string;
  readonly label: string;
  /** The tier that `isp-<tier>` finds it by, unless the entry says another. */
  readonly tier: string;
  /** The fields of an entry that are this provider's own. */
  readonly account: z.ZodRawShape;
  readonly entries: Readonly<Partial<Record<EntryProtocol, ProviderEntry>>>;
  readonly chooses: Readonly<Partial<Record<ExitPart, Evidence>>>;
  readonly session: SessionRules | null;
  /** SOCKS5 UDP ASSOCIATE. */
  readonly udp: boolean;
  /** For people, a sentence each: what cannot be combined, what costs more. */
  readonly notes: readonly string[];
  /** The pages that the above was read on. */
  readonly sources: readonly string[];
  readonly disputes: readonly Dispute[];
  /** A page of the provider's own that answers the address it was asked from. */
  readonly checkUrl: string | null;
  readonly usage: UsageSource | null;
  /**
   * @param entry an entry of `upstreams.json` of this kind, parsed by `providerEntrySchema`
   * @throws Error when the entry is of another shape
   */
  bind(entry: unknown): BoundProvider;
  /** What the provider means by a refusal; `undefined` where it says nothing of its own. */
  refusal(refusal: ProviderRefusal): ProxyErrorCode | undefined;
}
