import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { z } from "zod";

/** Bytes as the client counted them. */
export interface Carried {
  readonly sent: number;
  readonly received: number;
}

const run = promisify(execFile);

const measuredSchema = z.object({
  size_request: z.int(),
  size_header: z.int(),
  size_download: z.int(),
  response_code: z.int(),
});

/**
 * Runs a line as the page shows it for curl through SOCKS5, with another target. Curl counts what is in the tunnel
 * alone: the SOCKS5 handshake is not among it.
 */
export async function runSocks5Line(line: string, target: string): Promise<Carried> {
  const [proxy = ""] = /(?<=')[^']+/.exec(line) ?? [];
  const { stdout } = await run("curl", [
    "--silent",
    "--output",
    "/dev/null",
    "--write-out",
    "%{json}",
    "--proxy",
    proxy,
    target,
  ]);
  const { size_request, size_header, size_download } = measuredSchema.parse(JSON.parse(stdout));
  return { sent: size_request, received: size_header + size_download };
}

/** Opens a tunnel by CONNECT and leaves it open. @throws Error with the gateway's first line when it refuses. */
export async function openTunnel(
  gateway: { host: string; port: number },
  login: string,
  target: string,
): Promise<Socket> {
  const socket = connect(gateway);
  await once(socket, "connect");
  const credentials = Buffer.from(login).toString("base64");
  socket.write(
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
  );
  const [answer] = await once(socket, "data");
  const [status = ""] = String(answer).split("\r\n");
  if (!status.includes(" 200 ")) {
    socket.destroy();
    throw new Error(status);
  }
  return socket;
}

/** Asks an HTTP site through an open tunnel, and counts every byte of question and answer. */
export async function askThrough(tunnel: Socket, host: string): Promise<Carried> {
  const question = `GET /address HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  let received = 0;
  tunnel.on("data", (part: Buffer) => {
    received += part.length;
  });
  const ended = once(tunnel, "end");
  tunnel.write(question);
  await ended;
  tunnel.end();
  return { sent: question.length, received };
}
