/** What a case may need of a proxy. */
export type Ability = "http" | "connect" | "socks5" | "udp" | "ipv6" | "credentials";

/** A proxy under examination, started and ready. */
export interface Subject {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Where SOCKS5 is spoken; the same port where one is for both. */
  readonly socksPort?: number;
  /** null: it asks for none. */
  readonly credential: { readonly username: string; readonly password: string } | null;
  readonly abilities: ReadonlySet<Ability>;
  /** Its version and how it was set up, for the reader. */
  readonly about: string;
  /** How long it may take to end a half-sent header; the cases' own bound where it is not said. */
  readonly headerMs?: number;
  close(): Promise<void>;
}
