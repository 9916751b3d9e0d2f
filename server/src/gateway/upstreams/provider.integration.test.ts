import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CountingOrigin, startCountingOrigin } from "../testing/counting-origin.ts";
import { type GatewayFixture, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { buildUpstreams, upstreamsFileSchema } from "./configuration.ts";

const run = promisify(execFile);

/** The provider is a gateway of ours: it understands user names and shows which exit it was asked for. */
let provider: GatewayFixture;
let origin: CountingOrigin;
let secured: { port: number; ca: string; close(): Promise<void> };
let directory: string;
const seen: (string | undefined)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-provider-"));
  provider = await startGatewayFixture();
  origin = await startCountingOrigin((request, response) => {
    seen.push(request.socket.remoteAddress);
    request.pipe(response);
    if (request.method === "GET") response.end("hello");
  });
  secured = await tlsInFrontOf(provider.gateway.port);
});
afterAll(async () => {
  await secured.close();
  await provider.close();
  await origin.close();
  await rm(directory, { recursive: true, force: true });
});

async function tlsInFrontOf(port: number) {
  const key = join(directory, "key.pem");
  const cert = join(directory, "cert.pem");
  await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
  ]);
  const ca = await readFile(cert, "utf8");
  const sockets = new Set<Socket>();
  const server: Server = createTlsServer({ key: await readFile(key), cert: ca }, (socket) => {
    sockets.add(socket);
    const onward = connect(port, "127.0.0.1");
    socket.on("error", () => onward.destroy());
    onward.on("error", () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    ca,
    close: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

describe.each(["http", "https", "socks5"] as const)("a provider that is reached by %s", (protocol) => {
  let fixture: GatewayFixture;

  beforeAll(async () => {
    const { username, password } = provider.account;
    const upstream = {
      kind: "generic",
      name: "provider",
      protocol,
      host: "localhost",
      port: protocol === "https" ? secured.port : provider.gateway.port,
      username,
      password,
      template: {
        username: "{username}[-cc-{country}][-sid-{session}-ttl-{minutes}]",
        password: "{password}",
      },
      ...(protocol === "https" && { ca: secured.ca }),
    };
    fixture = await startGatewayFixture({
      upstreams: buildUpstreams(upstreamsFileSchema.parse({ upstreams: [upstream] })),
    });
  });
  afterAll(() => fixture.close());

  test("gets our customer's exit and session, and every byte is counted", async () => {
    const before = origin.counted();
    seen.length = 0;
    const ask = (parts: string, ...args: string[]) =>
      run("curl", ["-sS", "--fail", "-x", fixture.proxyUrl(parts), ...args, origin.url]);
    expect((await ask("-cc-jp-sid-a", "-p")).stdout).toBe("hello");
    expect((await ask("-cc-jp-sid-a")).stdout).toBe("hello");
    expect((await ask("-cc-de-sid-a", "-p", "-d", "x".repeat(5_000))).stdout.length).toBe(5_000);
    expect(seen[0]).toMatch(/^127\.1\.3\./);
    expect(seen[1]).toBe(seen[0]);
    expect(seen[2]).toMatch(/^127\.1\.2\./);
    await expect.poll(() => fixture.gateway.countOpen()).toBe(0);
    await fixture.usage.flush();
    const { rows } = await fixture.database.runRaw(
      "select sum(sent_bytes)::text as sent, sum(received_bytes)::text as received from proxy_connections",
    );
    const after = origin.counted();
    expect(rows).toEqual([
      { sent: String(after.arrived - before.arrived), received: String(after.sent - before.sent) },
    ]);
  });

  test("is asked for nothing that is private, though it would do the dialling itself", async () => {
    const ask = run("curl", ["-sS", "-p", "-x", fixture.proxyUrl(), "http://10.0.0.1/"]);
    await expect(ask).rejects.toMatchObject({ stderr: expect.stringContaining("403") });
  });
});
