import { setTimeout as delay } from "node:timers/promises";
import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, shown } from "../finding.ts";
import { OK, type Probe } from "../probe.ts";
import { fieldOf } from "../wire/message.ts";
import type { Origin } from "../wire/origin.ts";

const http = casesOf("http", ["http"]);

/** Answers every request of every connection with its own path, until the origin is closed. */
async function echoPaths(origin: Origin, pauseMs = 0): Promise<void> {
  const served = new Set<unknown>();
  for (let index = 0; ; index += 1) {
    const wire = await origin.wire(index, 5_000).catch(() => undefined);
    if (wire === undefined) return;
    served.add(
      (async () => {
        for (;;) {
          const { target } = await wire.request(5_000);
          if (pauseMs > 0) await delay(pauseMs);
          wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
        }
      })().catch(() => {}),
    );
  }
}

function oldGet(probe: Probe, origin: Origin, fields: string): string {
  return `GET http://${origin.authority}/ HTTP/1.0\r\nHost: ${origin.authority}\r\n${probe.auth}${fields}\r\n`;
}

export const persistenceCases: readonly ConformanceCase[] = [
  http(
    "connection-kept",
    "SHOULD",
    "RFC 9112 §9.3",
    "A client's connection of HTTP/1.1 is kept for its next request.",
    async (probe) => {
      const origin = await probe.origin();
      void echoPaths(origin);
      const client = await probe.client();
      for (const path of ["/1", "/2", "/3"]) {
        client.send(probe.get(origin, "", path));
        const { body } = await client.response();
        expectThat(body.toString() === path, `${path} was answered ${shown(body)}.`);
      }
    },
  ),
  http(
    "connection-close",
    "MUST",
    "RFC 9112 §9.6",
    "A client that says close gets its answer, the word close and the end of the connection.",
    async (probe) => {
      const { response, client } = await probe.exchange((o) => probe.get(o, "Connection: close\r\n"));
      expectThat(response.body.toString() === "ok", "The answer did not come.");
      await client.ended();
      const connection = fieldOf(response, "connection") ?? "";
      expectThat(/close/i.test(connection), `The answer says Connection: ${shown(connection)}.`);
    },
  ),
  http(
    "connection-1.0-ends",
    "MUST",
    "RFC 9112 §9.3",
    "A client of HTTP/1.0 gets its answer and the end of the connection.",
    async (probe) => {
      const { response, client } = await probe.exchange((o) => oldGet(probe, o, ""));
      expectThat(response.body.toString() === "ok", "The answer did not come.");
      await client.ended();
    },
  ),
  http(
    "connection-1.0-keep-alive",
    "MUST",
    "RFC 9112 §9.3",
    "A proxy keeps no connection with a client of HTTP/1.0, though it ask for that.",
    async (probe) => {
      const { client } = await probe.exchange((o) => oldGet(probe, o, "Connection: keep-alive\r\n"));
      await client.ended();
    },
  ),
  http(
    "pipelining",
    "MUST",
    "RFC 9112 §9.3.2",
    "Requests sent at once are answered in their order.",
    async (probe) => {
      const origin = await probe.origin();
      void echoPaths(origin, 3);
      const client = await probe.client();
      const paths = ["/1", "/22", "/333", "/4444", "/5"];
      client.send(paths.map((path) => probe.get(origin, "", path)).join(""));
      for (const path of paths) {
        const { body } = await client.response();
        expectThat(body.toString() === path, `${path} was answered ${shown(body)}.`);
      }
    },
  ),
  http(
    "pipelining-error-last",
    "MUST",
    "RFC 9112 §9.3.2",
    "A broken request behind a good one does not cost the good one its answer.",
    async (probe) => {
      const origin = await probe.origin();
      void echoPaths(origin, 3);
      const client = await probe.client();
      client.send(`${probe.get(origin, "", "/1")}GET ? HTTP/1.1\r\nX\r\n\r\n`);
      const { body } = await client.response();
      expectThat(body.toString() === "/1", `The good request was answered ${shown(body)}.`);
      const second = await client.response();
      expectThat(second.status >= 400, `The broken one was answered ${second.status}.`);
    },
  ),
  http(
    "pipelining-body-then-get",
    "MUST",
    "RFC 9112 §6.3",
    "A request right behind a body begins where the body ends.",
    async (probe) => {
      const origin = await probe.origin();
      void echoPaths(origin);
      const client = await probe.client();
      const body = "GET /wrong HTTP/1.1\r\nHost: x\r\n\r\n";
      client.send(
        probe.post(origin, `Content-Length: ${body.length}\r\n`, body) + probe.get(origin, "", "/next"),
      );
      await client.response();
      const { body: answer } = await client.response();
      expectThat(answer.toString() === "/next", `The second request was answered ${shown(answer)}.`);
    },
  ),
  http(
    "half-close-request",
    "SHOULD",
    "RFC 9112 §9.6",
    "A client that ends its half behind a request still gets the answer.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.get(origin));
      client.finish();
      const target = await probe.reached(origin, client);
      await target.request();
      await delay(30);
      target.send(OK);
      expectThat((await client.response()).body.toString() === "ok", "The answer did not come.");
    },
  ),
  http(
    "abort-reaches-target",
    "SHOULD",
    "RFC 9112 §9.5",
    "A client that breaks off ends the work at the target.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.get(origin));
      const target = await probe.reached(origin, client);
      await target.request();
      client.reset();
      await target.ended();
    },
  ),
  http(
    "no-retry-of-post",
    "MUST",
    "RFC 9112 §9.3.1",
    "A POST whose target broke off is never sent twice.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.get(origin));
      const first = await probe.reached(origin, client);
      await first.request();
      first.send(OK);
      await client.response();
      client.send(probe.post(origin, "Content-Length: 4\r\n", "body"));
      const second = () => origin.wires.find(({ unread }) => unread.includes("body"));
      await client.becomes(() => second() !== undefined);
      second()?.reset();
      await client.becomes(() => client.unread.length > 0 || client.end !== null);
      expectThat(!client.unread.includes(" 200 "), "The client got an answer that nobody gave.");
      await delay(50);
      const posts = origin.wires.filter(({ unread }) => unread.includes("POST / "));
      expectThat(posts.length === 1, `The origin got the POST ${posts.length} times.`);
    },
  ),
  http(
    "answer-before-body-ends",
    "SHOULD",
    "RFC 9112 §9.5",
    "An answer that comes before the request's body has ended reaches the client.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(probe.post(origin, "Content-Length: 100000\r\n", "a"));
      const target = await probe.reached(origin, client);
      await target.upTo("\r\n\r\n");
      target.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
      const { status } = await client.response();
      expectThat(status === 413, `The client got ${status}.`);
    },
  ),
];
