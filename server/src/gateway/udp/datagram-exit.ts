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
    receive: (from: { readonly address: string; readonly port: number }, payload: Buffer) => void,
    lost: (error: ProxyError) => void,
    timeoutMs: number,
  ): Promise<DatagramLink>;
}

/** An open way for datagrams through an exit. */
export interface DatagramLink {
  send(target: CheckedTarget, payload: Buffer): void;
  close(): void;
}
