import fc from "fast-check";
import { expect, test } from "vitest";
import { conversations } from "./conversations.ts";
import type { Packet } from "./packet.ts";

const client = { source: "100.64.0.10", sourcePort: 40_000 };
const server = { source: "192.0.2.80", sourcePort: 443 };

function tcp(
  from: typeof client,
  to: typeof client,
  sequence: number,
  flags: string,
  payloadBytes = 0,
): Packet {
  return {
    at: 0,
    ...from,
    destination: to.source,
    destinationPort: to.sourcePort,
    protocol: "tcp",
    payloadBytes,
    tcp: {
      sequence: sequence >>> 0,
      syn: flags.includes("S"),
      ack: flags.includes("A"),
      fin: flags.includes("F"),
      rst: flags.includes("R"),
    },
  };
}

test("bytes are those of the sequence space: repeats count once, and numbers may wrap", () => {
  const initial = fc.nat({ max: 2 ** 32 - 1 });
  const chunks = fc.array(
    fc.record({ bytes: fc.integer({ min: 1, max: 65_000 }), repeats: fc.nat({ max: 2 }) }),
  );
  fc.assert(
    fc.property(initial, initial, chunks, chunks, (clientInitial, serverInitial, up, down) => {
      const packets = [
        tcp(client, server, clientInitial, "S"),
        tcp(server, client, serverInitial, "SA"),
        ...stream(client, server, clientInitial, up),
        ...stream(server, client, serverInitial, down),
      ];
      const total = (list: typeof up) => list.reduce((sum, { bytes }) => sum + bytes, 0);
      expect(conversations(packets)).toEqual([
        {
          client: client.source,
          clientPort: 40_000,
          server: server.source,
          serverPort: 443,
          sentBytes: total(up),
          receivedBytes: total(down),
          turns: [
            { by: "client", bytes: total(up) },
            { by: "server", bytes: total(down) },
          ].filter(({ bytes }) => bytes > 0),
        },
      ]);
    }),
  );
});

function stream(
  from: typeof client,
  to: typeof client,
  initial: number,
  chunks: readonly { bytes: number; repeats: number }[],
): Packet[] {
  let next = initial + 1;
  return chunks.flatMap(({ bytes, repeats }) => {
    const packet = tcp(from, to, next, "A", bytes);
    next += bytes;
    return Array.from({ length: repeats + 1 }, () => packet);
  });
}

test("turns tell who spoke, in order", () => {
  const [flow] = conversations([
    tcp(client, server, 10, "S"),
    tcp(server, client, 90, "SA"),
    tcp(client, server, 11, "A", 3),
    tcp(client, server, 14, "A", 4),
    tcp(server, client, 91, "A", 2),
    tcp(client, server, 11, "A", 3),
    tcp(client, server, 18, "A", 5),
  ]);
  expect(flow?.turns.map(({ by, bytes }) => `${by} ${bytes}`)).toEqual(["client 7", "server 2", "client 5"]);
});

test("a repeated SYN is the same connection, another SYN on the same ports a new one", () => {
  const again = tcp(client, server, 7, "S");
  expect(conversations([again, again])).toHaveLength(1);
  expect(conversations([again, tcp(client, server, 9_000, "S")])).toHaveLength(2);
});

test("a connection that was already open when the capture began is left out", () => {
  expect(conversations([tcp(client, server, 100, "A", 50)])).toEqual([]);
});
