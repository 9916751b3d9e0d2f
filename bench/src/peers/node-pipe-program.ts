import { createServer, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";

/** CONNECT as it is written in a dozen lines of Node: two pipes, nothing checked: `node node-pipe-program.ts PORT`. */
const server = createServer();
server.on("connect", (request: IncomingMessage, client: Socket, head: Buffer) => {
  const [host = "", port = ""] = (request.url ?? "").split(":");
  const target = connect(Number(port), host, () => {
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) target.write(head);
    target.pipe(client);
    client.pipe(target);
  });
  target.on("error", () => client.destroy());
  client.on("error", () => target.destroy());
});
server.listen(Number(process.argv[2]), "127.0.0.1");
