import { setTimeout as delay } from "node:timers/promises";
import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { OK } from "../probe.ts";
import { fieldOf } from "../wire/message.ts";

const http = casesOf("http", ["http"]);
const EXPECT = "Expect: 100-continue\r\nContent-Length: 4\r\n";
const UPGRADE =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const SWITCHED =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

export const interimCases: readonly ConformanceCase[] = [
  http(
    "interim-forwarded",
    "MUST",
    "RFC 9110 §15.2",
    "Interim answers come back, each before the final one.",
    async (probe) => {
      const interim =
        "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
      const { response, client } = await probe.exchange((o) => probe.get(o), interim + OK);
      expectThat(response.status === 103, `The first answer was ${response.status}.`);
      expectThat(fieldOf(response, "link") === "</a>; rel=preload", "The hint lost its Link.");
      expectThat((await client.response()).status === 102, "The second answer was not 102.");
      expectThat((await client.response()).body.toString() === "ok", "The final answer did not come.");
    },
  ),
  http(
    "interim-not-to-1.0",
    "MUST",
    "RFC 9110 §15.2",
    "A client of HTTP/1.0 gets no interim answers.",
    async (probe) => {
      const { response } = await probe.exchange(
        (o) => `GET http://${o.authority}/ HTTP/1.0\r\nHost: ${o.authority}\r\n${probe.auth}\r\n`,
        `HTTP/1.1 103 Early Hints\r\n\r\n${OK}`,
      );
      expectThat(response.status === 200, `The first answer was ${response.status}.`);
    },
  ),
  http(
    "expect-forwarded",
    "MUST",
    "RFC 9110 §10.1.1",
    "Expect: 100-continue goes to the target, and only the target's 100 comes back.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.post(origin, EXPECT));
      const target = await probe.reached(origin, client);
      const head = await target.upTo("\r\n\r\n");
      expectThat(/\r\nexpect: *100-continue\r\n/i.test(head), `The origin got ${shown(head)}.`);
      await delay(50);
      expectThat(client.received === 0, `The proxy answered by itself: ${shown(client.unread)}.`);
      target.send("HTTP/1.1 100 Continue\r\n\r\n");
      expectThat((await client.response()).status === 100, "The target's 100 did not come back.");
      client.send("body");
      await target.upTo("body");
      target.send(OK);
      expectThat((await client.response()).status === 200, "The final answer did not come.");
    },
  ),
  http(
    "expect-refused",
    "MUST",
    "RFC 9110 §10.1.1",
    "The target's 417 comes back, with no 100 before it.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.post(origin, EXPECT));
      const target = await probe.reached(origin, client);
      await target.upTo("\r\n\r\n");
      target.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      const { status } = await client.response();
      expectThat(status === 417, `The client got ${status}.`);
    },
  ),
  http(
    "expect-body-at-once",
    "MUST",
    "RFC 9110 §10.1.1",
    "A client need not wait for the 100: its body goes on.",
    async (probe) => {
      const { request } = await probe.exchange((o) => probe.post(o, EXPECT, "body"));
      expectThat(request.body.toString() === "body", `The body arrived as ${shown(request.body)}.`);
    },
  ),
  http(
    "upgrade-websocket",
    "SHOULD",
    "RFC 9110 §7.8",
    "A WebSocket opens through plain forwarding, with the bytes right behind the 101.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.get(origin, UPGRADE));
      const target = await probe.reached(origin, client);
      const request = await target.request();
      expectThat(
        /websocket/i.test(fieldOf(request, "upgrade") ?? ""),
        `The origin was not asked to switch: ${shown(request.head)}.`,
      );
      target.send(`${SWITCHED}early`);
      const response = await client.response({ bodiless: true });
      expectThat(response.status === 101, `The client got ${response.status}.`);
      await client.upTo("early");
      client.send("ping");
      await target.upTo("ping");
      target.send("pong");
      await client.upTo("pong");
    },
  ),
  http(
    "upgrade-declined",
    "MUST",
    "RFC 9110 §7.8",
    "A target that does not switch answers as ever, and the connection stays HTTP.",
    async (probe) => {
      const { response, client, origin } = await probe.exchange((o) => probe.get(o, UPGRADE));
      expectThat(response.status === 200, `The client got ${response.status}.`);
      if (client.end !== null || (await client.becomes(() => client.end !== null, 20))) return;
      client.send(probe.get(origin, "", "/second"));
      const answered = () => origin.wires.some(({ unread }) => unread.includes("/second"));
      expectThat(await client.becomes(answered, 1_000), "The next request did not reach the origin.");
    },
  ),
  http(
    "upgrade-unasked",
    "MUST",
    "RFC 9110 §7.8",
    "A 101 that nobody asked for is no tunnel.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.get(origin));
      const target = await probe.reached(origin, client);
      await target.request();
      target.send(`${SWITCHED}early`);
      await client.becomes(() => client.unread.length > 0, 1_000);
      expectThat(!/^HTTP\/1\.1 101/.test(client.unread.toString("latin1")), "The client got the 101.");
    },
  ),
  http(
    "upgrade-without-connection",
    "MUST",
    "RFC 9110 §7.8",
    "Upgrade that Connection does not name switches nothing.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.get(origin, "Upgrade: websocket\r\n"));
      const target = await probe.reached(origin, client);
      const request = await target.request();
      expectThat(fieldOf(request, "upgrade") === undefined, "Upgrade went on.");
    },
  ),
];
