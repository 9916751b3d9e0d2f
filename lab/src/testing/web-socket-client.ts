import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";

/**
 * A WebSocket client behind an HTTP proxy, as a browser is one: CONNECT, then the handshake in the tunnel.
 * `node web-socket-client.ts PROXY-HOST PROXY-PORT USERNAME ws(s)://SITE/PATH AUTHORITY-FILE`, LAB_PASSWORD set.
 * Prints the site's first message and what it echoes.
 */
const [proxyHost = "", proxyPort = "", username = "", address = "", authority = ""] = process.argv.slice(2);
const site = new URL(address);
const secure = site.protocol === "wss:";
const target = `${site.hostname}:${site.port || (secure ? 443 : 80)}`;
const token = Buffer.from(`${username}:${process.env.LAB_PASSWORD ?? ""}`).toString("base64");

const tunnel = connect(Number(proxyPort), proxyHost);
tunnel.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic ${token}\r\n\r\n`);
tunnel.once("data", (answer) => {
  const [statusLine = ""] = answer.toString("latin1").split("\r\n");
  if (!/ 200 /.test(statusLine)) throw new Error(`The proxy answered: ${statusLine}`);
  const socket = secure
    ? connectTls({
        socket: tunnel,
        servername: site.hostname,
        ca: readFileSync(authority),
        ALPNProtocols: ["http/1.1"],
      })
    : tunnel;
  const webSocket = new WebSocket(address, { createConnection: () => socket });
  let messages = 0;
  webSocket.on("message", (data) => {
    process.stdout.write(`${String(data)}\n`);
    messages += 1;
    if (messages === 1) webSocket.send("there and back");
    else webSocket.close();
  });
});
