import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CertificateFiles, ownCertificateFiles } from "../tls/certificate.ts";
import type { TlsDoorOptions } from "../tls/tls-door.ts";
import { type GatewayFixture, startGatewayFixture } from "./gateway-fixture.ts";

/** A gateway with a TLS port and a certificate of its own. */
export interface TlsFixture extends GatewayFixture {
  readonly files: CertificateFiles;
  readonly ca: string;
  readonly tlsPort: number;
  /** The value of `Proxy-Authorization`. */
  readonly authorization: string;
  /** A client that speaks HTTP/2 to the TLS port. */
  http2(): ClientHttp2Session;
}

export async function startTlsFixture(
  changes: Omit<NonNullable<Parameters<typeof startGatewayFixture>[0]>, "tls"> & {
    tls?: Partial<TlsDoorOptions>;
  } = {},
): Promise<TlsFixture> {
  const directory = await mkdtemp(join(tmpdir(), "atlantic-tls-"));
  const files = await ownCertificateFiles(join(directory, "tls"));
  const ca = await readFile(files.certificate, "utf8");
  const fixture = await startGatewayFixture({ ...changes, tls: { port: 0, files, ...changes.tls } });
  const tlsPort = fixture.gateway.tls?.port ?? 0;
  const { username, password } = fixture.account;
  const sessions: ClientHttp2Session[] = [];
  return {
    ...fixture,
    files,
    ca,
    tlsPort,
    authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`,
    http2() {
      const session = connectHttp2(`https://localhost:${tlsPort}`, { ca });
      session.on("error", () => {});
      sessions.push(session);
      return session;
    },
    async close() {
      for (const session of sessions) session.destroy();
      await fixture.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** What a stream was answered, its trailers, and how it ended. */
export interface StreamAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, string | string[] | undefined>>;
  readonly interim: readonly number[];
  readonly rstCode: number;
}

/** Reads a stream to its end, however it ends. */
export function answerOf(stream: ClientHttp2Stream): Promise<StreamAnswer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const interim: number[] = [];
    let headers: StreamAnswer["headers"] = {};
    let trailers: StreamAnswer["trailers"] = {};
    let status = 0;
    stream.on("response", (fields) => {
      headers = fields;
      status = Number(fields[":status"]);
    });
    stream.on("headers", (fields) => interim.push(Number(fields[":status"])));
    stream.on("trailers", (fields) => {
      trailers = fields;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => {});
    stream.on("close", () =>
      resolve({ status, headers, body: Buffer.concat(chunks), trailers, interim, rstCode: stream.rstCode }),
    );
  });
}
