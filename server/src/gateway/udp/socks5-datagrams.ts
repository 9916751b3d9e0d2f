import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { isIP, isIPv6 } from "node:net";
import {
  associateThroughSocks5,
  DialError,
  type ProxyEndpoint,
  type SocksAssociation,
} from "@atlantic/native";
import { ProxyError } from "@atlantic/shared/errors.ts";
import { isPublicAddress } from "../address-rules.ts";
import type { CheckedTarget } from "../target-guard.ts";
import type { DatagramExit, DatagramLink } from "./datagram-exit.ts";
import { readDatagram, writeDatagram } from "./datagram-header.ts";

/**
 * Datagrams through a provider that speaks SOCKS5: an association of its own behind each of ours.
 *
 * @param hostOf what the provider is given of a target: its name, which the exit resolves where it is, or an address
 */
export function socks5Datagrams(
  proxy: ProxyEndpoint,
  hostOf: (target: CheckedTarget) => string = ({ host }) => host,
): DatagramExit {
  return {
    async open(receive, lost, timeoutMs) {
      const association = await associateThroughSocks5({ proxy, timeoutMs }).catch((error: unknown) => {
        throw withoutDatagrams(error);
      });
      const { socket } = association;
      const relay = await connectedTo(association).catch((error: unknown) => {
        socket.destroy();
        throw new DialError("upstream_failed", "The upstream's relay cannot be reached.", { cause: error });
      });
      relay.on("message", (bytes) => {
        const datagram = readDatagram(bytes);
        if (datagram) receive({ address: datagram.host, port: datagram.port }, datagram.payload);
      });
      socket.on("close", () => {
        if (!link.closed)
          lost(new ProxyError("connection_terminated", "The upstream ended the association."));
      });
      socket.on("end", () => socket.destroy());
      socket.resume();
      const link = new RelayLink(relay, hostOf, () => socket.destroy());
      return link;
    },
  };
}

/** RFC 1928 §6: reply 7 is the upstream's way to say that it carries none. */
function withoutDatagrams(error: unknown): unknown {
  if (!(error instanceof DialError) || error.refusal?.status !== 7) return error;
  return new DialError("command_unsupported", "The exit's provider carries no UDP.", {
    cause: error,
    refusal: error.refusal,
  });
}

/** A connected socket takes datagrams from nobody but the relay. */
async function connectedTo({ socket, relay: { host, port } }: SocksAssociation): Promise<DatagramSocket> {
  const own = socket.remoteAddress ?? "";
  const address = await relayAddress(host, own);
  const relay = createSocket(isIPv6(address) ? "udp6" : "udp4");
  relay.connect(port, address);
  await once(relay, "connect");
  // ICMP errors are reported on connected sockets: datagrams get lost, and that is all.
  relay.on("error", () => {});
  return relay;
}

/** A relay that names no address, or one of its own network, is where the proxy itself is. */
async function relayAddress(host: string, proxyAddress: string): Promise<string> {
  if (isIP(host) === 0 || /^(0\.0\.0\.0|[0:]+)$/.test(host)) return proxyAddress;
  return isPublicAddress(proxyAddress) && !isPublicAddress(host) ? proxyAddress : host;
}

class RelayLink implements DatagramLink {
  readonly #relay: DatagramSocket;
  readonly #hostOf: (target: CheckedTarget) => string;
  readonly #ended: () => void;
  closed = false;

  constructor(relay: DatagramSocket, hostOf: (target: CheckedTarget) => string, ended: () => void) {
    this.#relay = relay;
    this.#hostOf = hostOf;
    this.#ended = ended;
  }

  send(target: CheckedTarget, payload: Buffer, done: (taken: boolean) => void): void {
    if (this.closed) {
      done(false);
      return;
    }
    const datagram = writeDatagram({ host: this.#hostOf(target), port: target.port, payload });
    this.#relay.send(datagram, (error) => done(error === null));
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#relay.close();
    this.#ended();
  }
}
