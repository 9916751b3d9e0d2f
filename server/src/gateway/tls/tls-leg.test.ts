import fc from "fast-check";
import { expect, test } from "vitest";
import type { ConnectionRecord } from "../../metering/usage-recorder.ts";
import { Flow } from "../flow.ts";
import { TlsLeg } from "./tls-leg.ts";

const record: ConnectionRecord = {
  id: "0",
  userId: "0",
  credentialId: "0",
  client: "192.0.2.1",
  protocol: "connect",
  targetHost: "example.com",
  targetPort: 443,
  exitCountry: null,
  exitCity: null,
  exitLabel: null,
  exitAddress: null,
  upstream: null,
  openedAt: 0,
};

const step = fc.oneof(
  fc.record({ kind: fc.constant("open" as const) }),
  fc.record({ kind: fc.constant("end" as const), flow: fc.nat(20) }),
  fc.record({ kind: fc.constant("move" as const), flow: fc.nat(20), bytes: fc.nat(1_000_000) }),
  fc.record({ kind: fc.constant("cost" as const), bytes: fc.nat(5_000) }),
  // Carried before it is on the wire, as what waits in a buffer is.
  fc.record({ kind: fc.constant("wait" as const), bytes: fc.nat(5_000) }),
  fc.record({ kind: fc.constant("share" as const) }),
);

test("the shares of all flows and what waits for the next are exactly what the connection cost", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let wire = 0;
      let carried = 0;
      const leg = new TlsLeg({ wire: () => wire, carried: () => carried });
      const flows: Flow[] = [];
      for (const one of steps) {
        const before = flows.map(({ tlsBytes }) => tlsBytes);
        if (one.kind === "open") {
          const flow = new Flow(record, () => {});
          flows.push(flow);
          leg.opened(flow);
        } else if (one.kind === "end") flows[one.flow]?.finish("ended");
        else if (one.kind === "move") {
          const flow = flows[one.flow];
          if (flow && flow.end === undefined) flow.sentBytes += one.bytes;
          wire += one.bytes;
          carried += one.bytes;
        } else if (one.kind === "cost") wire += one.bytes;
        else if (one.kind === "wait") carried += one.bytes;
        else leg.share();
        const shared = flows.reduce((sum, { tlsBytes }) => sum + tlsBytes, 0);
        expect(shared + leg.unshared).toBe(wire - carried);
        for (const [index, flow] of flows.entries()) {
          expect(flow.tlsBytes).toBeGreaterThanOrEqual(before[index] ?? 0);
          expect(Number.isSafeInteger(flow.tlsBytes)).toBe(true);
        }
      }
    }),
  );
});

test("a flow bears what it caused: in proportion to what it moved", () => {
  // A whole record is kept back as long as another flow may be in it.
  let wire = 16_645 + 1_000;
  const leg = new TlsLeg({ wire: () => wire, carried: () => 0 });
  const [small, large] = [new Flow(record, () => {}), new Flow(record, () => {})];
  leg.opened(small);
  leg.share();
  expect(small.tlsBytes).toBe(1_000);
  leg.opened(large);
  small.sentBytes += 100;
  large.receivedBytes += 300;
  wire += 400;
  large.finish("ended");
  expect([small.tlsBytes, large.tlsBytes]).toEqual([1_100, 300]);
  large.finish("ended");
  wire += 50;
  small.finish("ended");
  expect([small.tlsBytes, large.tlsBytes]).toEqual([1_150 + 16_645, 300]);
});
