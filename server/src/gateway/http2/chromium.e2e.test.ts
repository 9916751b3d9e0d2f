import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { chromium } from "playwright-core";
import { expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { startCountingRelay } from "../testing/counting-relay.ts";
import { keptUsage } from "../testing/kept-usage.ts";
import { startTlsFixture } from "../testing/tls-fixture.ts";

const PICTURES = 12;

/** A page with pictures that all wait for one another, so that one connection after the other would never end. */
async function startSite() {
  const waiting: (() => void)[] = [];
  const server = createServer((request, response) => {
    if (request.url === "/") {
      const pictures = Array.from({ length: PICTURES }, (_, index) => `<img src="/${index}.svg">`).join("");
      response.setHeader("Content-Type", "text/html");
      response.end(`<title>Through HTTP/2</title>${pictures}`);
      return;
    }
    waiting.push(() => {
      response.setHeader("Content-Type", "image/svg+xml");
      response.end('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    });
    if (waiting.length >= 6) for (const answer of waiting.splice(0)) answer();
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => socket.on("message", (text) => socket.send(`heard: ${text}`)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    address: `127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

test("Chromium loads a page and holds a WebSocket through one HTTP/2 connection to the TLS port", async () => {
  const site = await startSite();
  const usage = keptUsage();
  const fixture = await startTlsFixture({ usage, targets: { hosts: { "site.test:80": site.address } } });
  const relay = await startCountingRelay(fixture.tlsPort);
  const key = new X509Certificate(fixture.ca).publicKey.export({ type: "spki", format: "der" });
  const pin = createHash("sha256").update(key).digest("base64");
  const { username, password } = fixture.account;
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", `--ignore-certificate-errors-spki-list=${pin}`],
    proxy: { server: `https://localhost:${relay.port}`, username: `${username}-cc-jp`, password },
  });
  try {
    const page = await browser.newPage();
    await page.goto("http://site.test/", { waitUntil: "load" });
    expect(await page.title()).toBe("Through HTTP/2");
    expect(await page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")).toBe(true);
    const heard = await page.evaluate(`new Promise((resolve, reject) => {
      const socket = new WebSocket("ws://site.test/");
      socket.onopen = () => socket.send("hello");
      socket.onmessage = ({ data }) => resolve(data);
      socket.onerror = () => reject(new Error("broken"));
    })`);
    expect(heard).toBe("heard: hello");
    const protocols = usage.connections.map(({ record }) => record.protocol);
    expect(protocols).toContain("http");
    expect(protocols).toContain("connect");
    expect(usage.connections.every(({ record }) => record.exitCountry === "jp")).toBe(true);
    // Six pictures wait for one another: with HTTP/1.1 that would be six connections.
    expect(relay.connections()).toBeLessThan(6);
    expect(usage.connections.length).toBeGreaterThan(PICTURES);
  } finally {
    await browser.close();
    relay.close();
    await fixture.close();
    site.close();
  }
});
