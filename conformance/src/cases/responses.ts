import { type ConformanceCase, casesOf } from "../conformance-case.ts";
import { expectThat, Finding, shown } from "../finding.ts";
import { OK, type Probe } from "../probe.ts";
import { fieldOf, type Response } from "../wire/message.ts";
import type { Origin } from "../wire/origin.ts";
import type { Wire } from "../wire/wire.ts";

const http = casesOf("http", ["http"]);

/** The origin says these bytes to a request and ends its half when it is told to. */
async function answered(
  probe: Probe,
  bytes: string,
  { method = "GET", end = false } = {},
): Promise<{ client: Wire; target: Wire; origin: Origin }> {
  const origin = await probe.origin();
  const client = await probe.client();
  client.send(probe.get(origin, "", "/", method));
  const target = await probe.reached(origin, client);
  await target.request();
  if (end) target.finish(bytes);
  else target.send(bytes);
  return { client, target, origin };
}

/** A 502 in the response's place, or the response in one clear meaning; `check` says what that is. */
function discardedOr(
  id: string,
  section: string,
  must: string,
  answer: string,
  check: (response: Response) => boolean,
): ConformanceCase {
  return http(`response-${id}`, "MUST", section, must, async (probe) => {
    const { client } = await answered(probe, answer, { end: true });
    const response = await client.response();
    const right = response.status === 502 || response.status === 500 || check(response);
    expectThat(
      right,
      `The client got ${shown(`${response.head}\r\n\r\n${response.body.toString("latin1")}`)}.`,
    );
  });
}

/** Sends a second request where the connection is still there, and expects its own answer to it. */
async function staysInStep(probe: Probe, client: Wire, origin: Origin): Promise<void> {
  if (await client.becomes(() => client.end !== null, 30)) return;
  client.send(probe.get(origin, "", "/second"));
  const asked = () => origin.wires.find(({ unread }) => unread.includes("/second"));
  if (
    !(await client.becomes(
      () => asked() !== undefined || client.end !== null || client.unread.length > 0,
      2_000,
    ))
  ) {
    throw new Finding("The second request did not reach the origin.");
  }
  const target = asked();
  if (target === undefined) {
    expectThat(
      client.unread.length === 0,
      `What was left over answered the next request: ${shown(client.unread)}.`,
    );
    return;
  }
  await target.request();
  target.send(OK.replace("200 OK", "201 Created"));
  const second = await client.response();
  expectThat(
    second.status === 201,
    `The second request was answered ${second.status}: ${shown(second.head)}.`,
  );
}

export const responseCases: readonly ConformanceCase[] = [
  http(
    "response-head",
    "MUST",
    "RFC 9110 §9.3.2",
    "An answer to HEAD has no body, whatever its length says.",
    async (probe) => {
      const { client, origin } = await answered(probe, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", {
        method: "HEAD",
      });
      const response = await client.response({ bodiless: true });
      expectThat(
        fieldOf(response, "content-length") === "999",
        "The length of the answer to HEAD was changed.",
      );
      await staysInStep(probe, client, origin);
    },
  ),
  http(
    "response-head-chunked",
    "MUST",
    "RFC 9112 §6.3",
    "An answer to HEAD that says chunked has no body.",
    async (probe) => {
      const { client, origin } = await answered(
        probe,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        {
          method: "HEAD",
        },
      );
      await client.response({ bodiless: true });
      await staysInStep(probe, client, origin);
    },
  ),
  ...[204, 304].map((status) =>
    http(
      `response-${status}`,
      "MUST",
      "RFC 9112 §6.3",
      `A ${status} has no body, and the next answer is the next request's.`,
      async (probe) => {
        const length = status === 304 ? "Content-Length: 10\r\n" : "";
        const { client, origin } = await answered(probe, `HTTP/1.1 ${status} No\r\n${length}\r\n`);
        const response = await client.response();
        expectThat(response.status === status, `The client got ${response.status}.`);
        await staysInStep(probe, client, origin);
      },
    ),
  ),
  http(
    "response-behind-head",
    "MUST",
    "RFC 9112 §6.3",
    "What an origin sends behind its answer to HEAD answers nobody's request.",
    async (probe) => {
      const evil = "HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil";
      const { client, origin } = await answered(
        probe,
        `HTTP/1.1 200 OK\r\nContent-Length: ${evil.length}\r\n\r\n${evil}`,
        { method: "HEAD" },
      );
      await client.response({ bodiless: true });
      await staysInStep(probe, client, origin);
    },
  ),
  http(
    "response-behind-length",
    "MUST",
    "RFC 9112 §9.2",
    "What an origin sends behind its answer's end answers nobody's request.",
    async (probe) => {
      const { client, origin } = await answered(
        probe,
        `${OK}HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 0\r\n\r\n`,
      );
      await client.response();
      await staysInStep(probe, client, origin);
    },
  ),
  discardedOr(
    "length-and-coding",
    "RFC 9112 §6.3",
    "A response with a length and a coding never comes back with both.",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ({ body }) => body.toString() === "hello",
  ),
  discardedOr(
    "lengths-unlike",
    "RFC 9112 §6.3",
    "A response with two lengths that differ is discarded: 502.",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 2\r\n\r\nhello",
    () => false,
  ),
  discardedOr(
    "length-invalid",
    "RFC 9112 §6.3",
    "A response whose length is no number is discarded: 502.",
    "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
    () => false,
  ),
  discardedOr(
    "length-list-alike",
    "RFC 9112 §6.3",
    "A response with the same length twice is discarded, or has it once.",
    "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    (response) => fieldOf(response, "content-length") === "5" && response.body.toString() === "hello",
  ),
  discardedOr(
    "space-before-colon",
    "RFC 9112 §5.1",
    "A space before a colon is taken out of a response, or the response discarded.",
    "HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 5\r\n\r\nhello",
    (response) => response.body.toString() === "hello",
  ),
  discardedOr(
    "obs-fold",
    "RFC 9112 §5.2",
    "A folded line of a response is unfolded, or the response discarded.",
    "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 5\r\n\r\nhello",
    (response) => response.body.toString() === "hello",
  ),
  discardedOr(
    "nul",
    "RFC 9110 §5.5",
    "A NUL in a response's field never comes back.",
    "HTTP/1.1 200 OK\r\nX-A: 1\x002\r\nContent-Length: 5\r\n\r\nhello",
    (response) => !response.head.includes("\0"),
  ),
  discardedOr(
    "bare-cr",
    "RFC 9112 §2.2",
    "A bare CR in a response's field never comes back.",
    "HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\nContent-Length: 5\r\n\r\nhello",
    (response) => !/\r(?!\n)/.test(response.head),
  ),
  discardedOr(
    "chunked-twice",
    "RFC 9112 §6.1",
    "A response that is chunked twice is discarded: 502.",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ({ body }) => body.toString() === "hello",
  ),
  http(
    "response-gzip-to-1.0",
    "MUST",
    "RFC 9112 §7",
    "A transfer coding that the proxy cannot undo never reaches a client of HTTP/1.0 unnamed.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(
        `GET http://${origin.authority}/ HTTP/1.0\r\nHost: ${origin.authority}\r\n${probe.auth}\r\n`,
      );
      const target = await probe.reached(origin, client);
      await target.request();
      target.finish("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
      await client.becomes(() => client.end !== null);
      const got = client.unread.toString("latin1");
      expectThat(!/^HTTP\/1\.\d 200/.test(got) || /gzip/i.test(got), `The client got ${shown(got)}.`);
    },
  ),
  http(
    "response-http-1.0-coding",
    "MUST",
    "RFC 9112 §6.1",
    "A response of HTTP/1.0 with a coding is faulty: 502, or the end of its connection.",
    async (probe) => {
      const { client, origin } = await answered(
        probe,
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        { end: true },
      );
      await client.response();
      await staysInStep(probe, client, origin);
    },
  ),
  http("response-garbage", "SHOULD", "RFC 9110 §15.6.3", "What is no answer is a 502.", async (probe) => {
    const { client } = await answered(probe, "SSH-2.0-OpenSSH_9.2\r\n\r\n", { end: true });
    const { status } = await client.response();
    expectThat(status === 502, `The client got ${status}.`);
  }),
  http(
    "response-none",
    "SHOULD",
    "RFC 9110 §15.6.3",
    "A target that closes without an answer is a 502.",
    async (probe) => {
      const { client } = await answered(probe, "", { end: true });
      const { status } = await client.response();
      expectThat(status === 502 || status === 504 || status === 503, `The client got ${status}.`);
    },
  ),
  http(
    "response-unreachable",
    "SHOULD",
    "RFC 9110 §15.6",
    "A target that refuses connections is an error of the 500s.",
    async (probe) => {
      const origin = await probe.origin();
      const request = probe.get(origin);
      origin.close();
      const client = await probe.client();
      client.send(request);
      const { status } = await client.response({}, 8_000);
      expectThat(status >= 500, `The client got ${status}.`);
    },
  ),
  http(
    "response-cut-length",
    "MUST",
    "RFC 9112 §8",
    "A response that breaks off before its length never ends cleanly.",
    async (probe) => {
      const { client } = await answered(probe, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", {
        end: true,
      });
      const response = await client.response();
      expectThat(!response.complete || response.status === 502, "The client got what looks whole.");
      await client.ended();
    },
  ),
  http(
    "response-cut-chunks",
    "MUST",
    "RFC 9112 §8",
    "A chunked response that breaks off gets no last chunk.",
    async (probe) => {
      const { client } = await answered(
        probe,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        {
          end: true,
        },
      );
      const response = await client.response();
      expectThat(!response.complete || response.status === 502, "The client got what looks whole.");
      await client.ended();
    },
  ),
  http(
    "response-broken-chunks",
    "MUST",
    "RFC 9112 §7.1",
    "A response whose chunks are broken never ends cleanly.",
    async (probe) => {
      const { client } = await answered(
        probe,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        { end: true },
      );
      try {
        const response = await client.response();
        expectThat(!response.complete || response.status === 502, "The client got what looks whole.");
      } catch (error) {
        // A chunk that no reader takes breaks the answer off as well, but only if nothing makes it whole.
        expectThat(
          client.unread.length === 0 || !client.unread.includes("\r\nhello\r\n0\r\n\r\n"),
          `${error}`,
        );
      }
    },
  ),
  http(
    "response-until-close",
    "MUST",
    "RFC 9112 §6.3",
    "A response without a length is passed on whole, to its end.",
    async (probe) => {
      const { client } = await answered(probe, "HTTP/1.1 200 OK\r\n\r\nall of it", { end: true });
      const response = await client.response();
      expectThat(
        response.body.toString() === "all of it" && response.complete,
        `The body is ${shown(response.body)}.`,
      );
    },
  ),
  http(
    "response-chunks-to-1.0",
    "MUST",
    "RFC 9112 §7.1",
    "A client of HTTP/1.0 gets no chunks.",
    async (probe) => {
      const origin = await probe.origin();
      const client = await probe.client();
      client.send(
        `GET http://${origin.authority}/ HTTP/1.0\r\nHost: ${origin.authority}\r\n${probe.auth}\r\n`,
      );
      const target = await probe.reached(origin, client);
      await target.request();
      target.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
      const response = await client.response();
      expectThat(fieldOf(response, "transfer-encoding") === undefined, "The client got a transfer coding.");
      expectThat(response.body.toString() === "hello", `The body is ${shown(response.body)}.`);
    },
  ),
  http(
    "response-trailers",
    "MUST",
    "RFC 9110 §6.5.1",
    "A response with trailers comes back in step; trailers never become fields.",
    async (probe) => {
      const { client, origin } = await answered(
        probe,
        "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\nContent-Length: 4\r\n\r\n",
      );
      const response = await client.response();
      expectThat(response.body.toString() === "hello", `The body is ${shown(response.body)}.`);
      expectThat(fieldOf(response, "x-t") === undefined, "The trailer became a field.");
      const forbidden = response.trailers.some(([name]) => name === "content-length");
      expectThat(!forbidden, "A length went on as a trailer.");
      await staysInStep(probe, client, origin);
    },
  ),
];
