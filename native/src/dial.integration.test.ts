import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { dialDirect } from "./dial-direct.ts";
import { DialError } from "./dial-error.ts";
import { dialThroughConnect } from "./dial-through-connect.ts";
import { dialThroughSocks5 } from "./dial-through-socks5.ts";

const opened: (Server | Socket)[] = [];

afterEach(() => {
  for (const one of opened.splice(0)) "close" in one ? one.close() : one.destroy();
});

async function listening(onConnection: (socket: Socket) => void, host = "127.0.0.1"): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    opened.push(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  opened.push(server);
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

/** A proxy that answers each expected message with the next piece, whole or a byte at a time. */
function scripted(answers: readonly Buffer[], received: Buffer[], byteAtATime = false) {
  return (socket: Socket) => {
    let next = 0;
    socket.on("data", async (chunk) => {
      received.push(chunk as Buffer);
      const answer = answers[next++];
      if (!answer) return;
      const pieces = byteAtATime ? [...answer].map((byte) => Buffer.from([byte])) : [answer];
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise(setImmediate);
      }
    });
  };
}

async function codeOf(dial: Promise<unknown>): Promise<string> {
  const error = await dial.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DialError);
  return error instanceof DialError ? error.code : "";
}

async function firstBytes(socket: Socket, count: number): Promise<string> {
  let text = "";
  for await (const chunk of socket) {
    text += chunk;
    if (text.length >= count) break;
  }
  return text;
}

const target = { host: "site.example", port: 443 };
const proxyAt = (port: number) => ({ host: "127.0.0.1", port, username: "u", password: "p" });

describe("direct", () => {
  test("leaves from the local address that was asked for", async () => {
    const accepted = Promise.withResolvers<Socket>();
    const port = await listening(accepted.resolve);
    const socket = await dialDirect({
      host: "127.0.0.1",
      port,
      localAddress: "127.1.2.33",
      timeoutMs: 5000,
    });
    opened.push(socket);
    expect((await accepted.promise).remoteAddress).toBe("127.1.2.33");
  });

  test("tries a name's next address when the first refuses, and asks only the given lookup", async () => {
    const port = await listening(() => {}, "127.0.0.3");
    const socket = await dialDirect({
      host: "site.example",
      port,
      timeoutMs: 5000,
      lookup: (_name, _options, answer) =>
        answer(null, [
          { address: "127.0.0.2", family: 4 },
          { address: "127.0.0.3", family: 4 },
        ]),
    });
    opened.push(socket);
    expect(socket.remoteAddress).toBe("127.0.0.3");
  });

  test("says why it failed in the words of the error table", async () => {
    const port = await listening(() => {});
    for (const one of opened.splice(0)) "close" in one && one.close();
    expect(await codeOf(dialDirect({ host: "127.0.0.1", port, timeoutMs: 5000 }))).toBe("connection_refused");
    const unknown = Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
    const lookup = (_: string, __: unknown, answer: (error: NodeJS.ErrnoException, list: []) => void) =>
      answer(unknown, []);
    expect(await codeOf(dialDirect({ host: "nowhere.example", port, timeoutMs: 5000, lookup }))).toBe(
      "dns_error",
    );
    expect(await codeOf(dialDirect({ host: "a.example", port, timeoutMs: 20, lookup: () => {} }))).toBe(
      "connection_timeout",
    );
    const signal = AbortSignal.abort();
    expect(await codeOf(dialDirect({ host: "127.0.0.1", port, timeoutMs: 5000, signal }))).toBe(
      "connection_terminated",
    );
  });
});

describe("through CONNECT", () => {
  test.each([false, true])(
    "asks with credentials and keeps what the target sent early (bytewise: %s)",
    async (bytewise) => {
      const received: Buffer[] = [];
      const answer = Buffer.from("HTTP/1.1 200 OK\r\nX-Exit: a\r\nx-exit: b\r\n\r\nearly");
      const port = await listening(scripted([answer], received, bytewise));
      const { socket, headers } = await dialThroughConnect({ proxy: proxyAt(port), target, timeoutMs: 5000 });
      opened.push(socket);
      expect(Buffer.concat(received).toString()).toBe(
        "CONNECT site.example:443 HTTP/1.1\r\nHost: site.example:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
      );
      expect(headers.get("x-exit")).toBe("a, b");
      expect(await firstBytes(socket, 5)).toBe("early");
    },
  );

  test.each([
    ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "upstream_denied"],
    ["HTTP/1.1 403 Forbidden\r\n\r\n", "forbidden_target"],
    ["HTTP/1.1 502 Bad Gateway\r\n\r\n", "upstream_failed"],
    [
      'HTTP/1.1 502 Bad Gateway\r\nProxy-Status: one; error=x; details="a\\", b", atlantic; error=dns_error; details="dns_error: \\"x\\""\r\n\r\n',
      "dns_error",
    ],
    ["HTTP/1.1 504 Gateway Timeout\r\n\r\n", "connection_timeout"],
    [
      'HTTP/1.1 403 Forbidden\r\nProxy-Status: atlantic; error=http_request_denied; details="quota_exhausted"\r\n\r\n',
      "quota_exhausted",
    ],
    ["SSH-2.0-OpenSSH\r\n\r\n", "bad_response"],
  ])("reads the refusal %j as %s", async (answer, code) => {
    const port = await listening(scripted([Buffer.from(answer)], []));
    expect(await codeOf(dialThroughConnect({ proxy: proxyAt(port), target, timeoutMs: 5000 }))).toBe(code);
  });

  test("gives up on a proxy that accepts and says nothing", async () => {
    const port = await listening(() => {});
    const dial = dialThroughConnect({ proxy: proxyAt(port), target, timeoutMs: 50 });
    expect(await codeOf(dial)).toBe("connection_timeout");
  });
});

describe("through SOCKS5", () => {
  const method = Buffer.from([5, 2]);
  const welcome = Buffer.from([1, 0]);
  const granted = Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 80]);

  test.each([false, true])(
    "authenticates, asks by name and keeps early bytes (bytewise: %s)",
    async (bytewise) => {
      const received: Buffer[] = [];
      const answers = [method, welcome, Buffer.concat([granted, Buffer.from("early")])];
      const port = await listening(scripted(answers, received, bytewise));
      const { socket } = await dialThroughSocks5({ proxy: proxyAt(port), target, timeoutMs: 5000 });
      opened.push(socket);
      expect(received).toEqual([
        Buffer.from([5, 1, 2]),
        Buffer.from([1, 1, 0x75, 1, 0x70]),
        Buffer.concat([Buffer.from([5, 1, 0, 3, 12]), Buffer.from("site.example"), Buffer.from([1, 0xbb])]),
      ]);
      expect(await firstBytes(socket, 5)).toBe("early");
    },
  );

  test.each([
    ["192.0.2.1", [1, 192, 0, 2, 1]],
    ["2001:db8::5", [4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]],
    ["::ffff:192.0.2.1", [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]],
  ])("writes %s as an address", async (host, bytes) => {
    const received: Buffer[] = [];
    const port = await listening(scripted([Buffer.from([5, 0]), granted], received));
    const proxy = { host: "127.0.0.1", port };
    const { socket } = await dialThroughSocks5({ proxy, target: { host, port: 80 }, timeoutMs: 5000 });
    opened.push(socket);
    expect([...(received[1] ?? [])]).toEqual([5, 1, 0, ...bytes, 0, 80]);
  });

  test.each([
    [[method, Buffer.from([1, 1])], "upstream_denied"],
    [[Buffer.from([5, 0xff])], "upstream_denied"],
    [[method, welcome, Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0])], "connection_refused"],
    [[method, welcome, Buffer.from([5, 1, 0, 1, 0, 0, 0, 0, 0, 0])], "upstream_failed"],
    [[Buffer.from("HTTP/1.1 400")], "bad_response"],
  ])("reads the refusal %j as %s", async (answers, code) => {
    const port = await listening(scripted(answers, []));
    expect(await codeOf(dialThroughSocks5({ proxy: proxyAt(port), target, timeoutMs: 5000 }))).toBe(code);
  });
});
