/** What the Rust addon offers; see carrier/src/. */
export interface NativeAddon {
  peerCredentials(fd: number): { readonly pid: number; readonly uid: number; readonly gid: number };
  /** See carrier/src/service_manager.rs. */
  tellServiceManager(socket: string, message: string): boolean;
  /** How the engine would rewrite a request's header section; null when it would give it back. */
  rewrittenRequest(head: Buffer, authority: Buffer, authorization: Buffer): Buffer | null;
  rewrittenResponse(head: Buffer, toHead: boolean): Buffer | null;
  readonly Carrier: new (tell: () => void) => NativeCarrier;
  /** @throws Error whose message is the system's error number */
  markedSocket(address: string, mark: number): number;
  /** See carrier/src/canary/mod.rs. */
  sendCanaries(
    link: string,
    targets: { kind: string; address: string; port: number }[],
    waitMs: number,
  ): Promise<{ readonly escaped: boolean; readonly errno: number }[]>;
  /** @throws Error whose message is the system's error number */
  readonly TunnelDevice: new (
    name: string,
    tell: () => void,
  ) => NativeTunnelDevice;
}

/** See carrier/src/tunnel/interface.rs. */
export interface NativeTunnelDevice {
  readonly alive: boolean;
  readonly index: number;
  submit(commands: Uint8Array): void;
  /** How many bytes of events were copied; negative when there are more. */
  takeEvents(out: Uint8Array): number;
  counters(): readonly number[];
  close(): void;
}

export interface NativeCarrier {
  readonly alive: boolean;
  /** @throws Error whose message is the system's error number */
  listen(options: {
    host: string;
    port: number;
    number: number;
    backlog: number;
    reusePort: boolean;
    headerMs: number;
    maxSilent: number;
    greets: boolean;
    diverts: boolean;
  }): { address: string; port: number };
  stopListening(listener: number): void;
  submit(commands: Uint8Array): void;
  /** How many bytes of events were copied; negative when there are more. */
  takeEvents(out: Uint8Array): number;
  /** Bytes sent and received; null when the connection is over. */
  totals(index: number, generation: number): readonly [number, number] | null;
  adopt(options: {
    index: number;
    generation: number;
    client: number;
    upstream: number;
    fromClient: Buffer;
    fromUpstream: Buffer;
    allowance: number;
    rate: number;
    idleMs: number;
    halfOpenIdleMs: number;
  }): void;
  forward(options: {
    index: number;
    generation: number;
    client: number;
    upstream: number;
    authority: Buffer;
    authorization?: Buffer;
    allowance: number;
    rate: number;
    idleMs: number;
    keepAliveMs: number;
    bodyMs: number;
    /** Missing: for ever. */
    livesMs?: number;
  }): void;
  /** Requests that a connection has forwarded. */
  requests(index: number, generation: number): number;
  duplicate(fd: number): number;
  allowance(lowBelow: number): NativeAllowanceState;
  rate(bytesPerSecond: number): NativeRateState;
  stop(): void;
}

export interface NativeAllowanceState {
  readonly handle: number;
  readonly remaining: number;
  /** Bit 1: all of it was taken; bit 2: and by that it became low. */
  take(bytes: number): number;
  add(bytes: number): void;
  setLowBelow(bytes: number): void;
  isNewlyDry(): boolean;
  /** Whether flows of the engine wait for more. */
  readonly isWaitedFor: boolean;
  claim(claimed: boolean): void;
  reclaim(): number;
  close(): void;
}

export interface NativeRateState {
  readonly handle: number;
  take(bytes: number): boolean;
  set(bytesPerSecond: number): void;
}
