/**
 * A relay as it is written in a few lines of Node: asks a SOCKS5 upstream for the one target, then two pipes.
 * argv: upstream's address and port, target's address and port. Prints its port.
 */
import { type AddressInfo, connect, createServer } from "node:net";

const [host = "", port = "", target = "", targetPort = ""] = process.argv.slice(2);
const request = Buffer.from([
  5,
  1,
  0,
  1,
  ...target.split(".").map(Number),
  Number(targetPort) >> 8,
  Number(targetPort) & 255,
]);

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const upstream = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
  upstream.write(Buffer.from([5, 1, 0]));
  let read = 0;
  upstream.on("data", function answer(bytes: Buffer) {
    if (read < 2) upstream.write(request);
    read += bytes.length;
    if (read < 12) return;
    upstream.off("data", answer);
    upstream.pipe(client);
    client.pipe(upstream);
  });
  upstream.on("error", () => client.destroy());
  client.on("error", () => upstream.destroy());
});
server.listen(0, "0.0.0.0", () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
