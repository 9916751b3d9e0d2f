import { Agent, type AgentOptions, type ClientRequestArgs } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TunnelTarget } from "./exit-upstream.ts";

export type DialTarget = (target: TunnelTarget) => Promise<Socket>;

/** Keeps the connections of plain requests for the next ones, each made by a dial of ours. */
export class DialingAgent extends Agent {
  readonly #dial: DialTarget;

  constructor(
    dial: DialTarget,
    options: AgentOptions = { keepAlive: true, maxFreeSockets: 32, timeout: 60_000 },
  ) {
    super(options);
    this.#dial = dial;
  }

  override createConnection(
    options: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const target = { host: options.host ?? "", port: Number(options.port) };
    this.#dial(target).then(
      (socket) => callback(null, socket),
      (error: Error) => (callback as (error: Error) => void)(error),
    );
  }
}
