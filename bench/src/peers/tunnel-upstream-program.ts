/**
 * The upstream of the tunnel's bench: SOCKS5 without credentials, carried by the native engine, so that the proxy
 * behind the one that is measured is never what holds it back. Prints its port.
 */
import { carrierEngine } from "@atlantic/native";

const engine = carrierEngine();
if (engine === null) throw new Error("The native addon is not built: run npm run build:native.");
const NOTHING = Buffer.alloc(0);

const { port } = engine.listen({
  host: "0.0.0.0",
  port: 0,
  reusePort: false,
  headerMs: 30_000,
  maxSilent: 10_000,
  onClient(client, first) {
    client.listen({
      onData(bytes) {
        client.carry(
          { addresses: [[...bytes.subarray(4, 8)].join(".")], port: bytes.readUInt16BE(8) },
          {
            reply: Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
            replyEndsInAddress: false,
            early: NOTHING,
            connectMs: 30_000,
            idleMs: 600_000,
            halfOpenIdleMs: 600_000,
            allowance: 0,
            rate: 0,
          },
        );
      },
      onDialled() {},
      onFailed: () => client.cut(),
      onTaken() {},
      onClosed() {},
    });
    if (first[0] === 5) client.say(Buffer.from([5, 0]), true);
    else client.cut();
  },
});
process.stdout.write(`${JSON.stringify({ port })}\n`);
