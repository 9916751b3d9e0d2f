import type { ProxyError } from "@atlantic/shared/errors.ts";
import type { CheckedTarget } from "../target-guard.ts";

/** How an exit carries datagrams. */
export interface DatagramExit {
  /**
   * @param receive called with every datagram that comes back
   * @param lost called once when the exit can carry no more
   * @throws ProxyError
   */
  open(
    receive: (from: DatagramSource, payload: Buffer) => void,
    lost: (error: ProxyError) => void,
    timeoutMs: number,
  ): Promise<DatagramLink>;
}

export interface DatagramSource {
  /** IPv4 or IPv6, as text. */
  readonly address: string;
  readonly port: number;
}

/** An open way for datagrams through an exit. */
export interface DatagramLink {
  /** @param done told whether the system took the datagram; whether it arrives nobody knows */
  send(target: CheckedTarget, payload: Buffer, done: (taken: boolean) => void): void;
  close(): void;
}
