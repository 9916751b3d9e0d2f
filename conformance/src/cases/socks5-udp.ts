import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, hexOf } from "../finding.ts";
import { type Probe, socksConnect } from "../probe.ts";
import type { Wire } from "../wire/wire.ts";

const udp = casesOf("socks5", ["socks5", "udp"]);
const UDP = "RFC 1928 §7";

/** A datagram socket that keeps what it gets. */
class Datagrams {
  readonly socket: DatagramSocket = createSocket("udp4");
  readonly got: { readonly bytes: Buffer; readonly port: number; readonly address: string }[] = [];

  async bind(address = "127.0.0.1"): Promise<this> {
    this.socket.on("message", (bytes, { port, address }) => this.got.push({ bytes, port, address }));
    this.socket.bind(0, address);
    await once(this.socket, "listening");
    return this;
  }

  get port(): number {
    return this.socket.address().port;
  }

  send(bytes: Buffer, port: number): void {
    this.socket.send(bytes, port, "127.0.0.1");
  }
}

/** An association, a client's socket for it and a target; all are closed when the case is over. */
async function associated(
  probe: Probe,
  run: (parts: { control: Wire; relayPort: number; client: Datagrams; target: Datagrams }) => Promise<void>,
): Promise<void> {
  const control = await probe.socks();
  control.send(socksConnect(0, [0, 0, 0, 0], 3));
  const { code, bound } = await probe.socksReply(control);
  expectThat(code === 0, `The reply is ${code}.`);
  const client = await new Datagrams().bind();
  const target = await new Datagrams().bind();
  try {
    await run({ control, relayPort: bound.readUInt16BE(bound.length - 2), client, target });
  } finally {
    client.socket.close();
    target.socket.close();
  }
}

/** A datagram with its header. */
function wrapped(port: number, text: string, { fragment = 0, address = [127, 0, 0, 1] } = {}): Buffer {
  const header = Buffer.from([0, 0, fragment, 1, ...address, port >> 8, port & 0xff]);
  return Buffer.concat([header, Buffer.from(text)]);
}

/** Datagrams may be lost: it is sent anew until something has come. */
async function comes(wire: Wire, at: Datagrams, send: () => void): Promise<Buffer> {
  const resend = setInterval(send, 200);
  send();
  const came = await wire.becomes(() => at.got.length > 0);
  clearInterval(resend);
  const first = at.got[0];
  expectThat(came && first !== undefined, "No datagram came.");
  return first.bytes;
}

export const socks5UdpCases: readonly ConformanceCase[] = [
  udp(
    "udp-both-ways",
    "MUST",
    UDP,
    "Datagrams reach the target without their header and come back with one.",
    (probe) =>
      associated(probe, async ({ control, relayPort, client, target }) => {
        const arrived = await comes(control, target, () =>
          client.send(wrapped(target.port, "ping"), relayPort),
        );
        expectThat(arrived.toString() === "ping", `The target got ${hexOf(arrived)}.`);
        const from = target.got[0];
        const answer = await comes(
          control,
          client,
          () => from && target.socket.send("pong", from.port, from.address),
        );
        expectThat(answer.equals(wrapped(target.port, "pong")), `The client got ${hexOf(answer)}.`);
      }),
  ),
  udp(
    "udp-fragment",
    "MUST",
    UDP,
    "Fragments are dropped by a relay that does not put them together.",
    (probe) =>
      associated(probe, async ({ control, relayPort, client, target }) => {
        client.send(wrapped(target.port, "part", { fragment: 1 }), relayPort);
        const arrived = await comes(control, target, () =>
          client.send(wrapped(target.port, "whole"), relayPort),
        );
        expectThat(arrived.toString() === "whole", `The target got ${hexOf(arrived)}.`);
      }),
  ),
  udp(
    "udp-other-source",
    "MUST",
    UDP,
    "Datagrams from another address than the client's are dropped.",
    (probe) =>
      associated(probe, async ({ control, relayPort, client, target }) => {
        const stranger = await new Datagrams().bind("127.0.0.9");
        stranger.send(wrapped(target.port, "stranger"), relayPort);
        const arrived = await comes(control, target, () =>
          client.send(wrapped(target.port, "client"), relayPort),
        );
        stranger.socket.close();
        expectThat(arrived.toString() === "client", `The target got ${hexOf(arrived)}.`);
      }),
  ),
  udp("udp-garbage", "MUST", UDP, "What is no datagram of SOCKS5 is dropped and harms nothing.", (probe) =>
    associated(probe, async ({ control, relayPort, client, target }) => {
      for (const bytes of [
        "",
        "\0",
        "\0\0\0",
        "\0\0\0\x01\x7f",
        "\xff\xff\0\x01",
        "\0\0\0\x03\xff",
        "\0\0\0\x03\x02::\0\x35",
      ]) {
        client.send(Buffer.from(bytes, "latin1"), relayPort);
      }
      const arrived = await comes(control, target, () =>
        client.send(wrapped(target.port, "whole"), relayPort),
      );
      expectThat(arrived.toString() === "whole", `The target got ${hexOf(arrived)}.`);
    }),
  ),
  udp("udp-private", "MUST", "checklist 4.2", "Datagrams reach no private address either.", (probe) =>
    associated(probe, async ({ control, relayPort, client, target }) => {
      const canary = await new Datagrams().bind("127.0.0.2");
      client.send(wrapped(canary.port, "lured", { address: [127, 0, 0, 2] }), relayPort);
      await comes(control, target, () => client.send(wrapped(target.port, "whole"), relayPort));
      const lured = canary.got.length;
      canary.socket.close();
      expectThat(lured === 0, "The listener at 127.0.0.2 got a datagram.");
    }),
  ),
  udp("udp-ends-with-tcp", "MUST", UDP, "The association ends when its TCP connection does.", (probe) =>
    associated(probe, async ({ control, relayPort, client, target }) => {
      await comes(control, target, () => client.send(wrapped(target.port, "before"), relayPort));
      control.finish();
      await control.ended();
      await new Promise((resolve) => setTimeout(resolve, 50));
      const before = target.got.length;
      client.send(wrapped(target.port, "after"), relayPort);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expectThat(target.got.length === before, "A datagram was relayed after the end.");
    }),
  ),
];
