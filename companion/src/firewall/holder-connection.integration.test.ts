import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeFrame } from "../native-messaging/framing.ts";
import { HolderGoneError } from "./firewall-error.ts";
import { HeldFirewall } from "./held-firewall.ts";
import { HolderConnection } from "./holder-connection.ts";
import { TABLE } from "./policy.ts";

const hello = { is: "hello", version: "1", table: TABLE, owned: true, egress: true, blocking: false, pid: 1 };

let folder: string;
let path: string;
let server: Server;
let clients: Socket[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holder-"));
  path = join(folder, "socket");
  clients = [];
});
afterEach(() => {
  for (const client of clients) client.destroy();
  server.close();
  rmSync(folder, { recursive: true });
});

/** One that says what it is, and then no more. */
async function listen(said: object = hello): Promise<void> {
  server = createServer((client) => {
    clients.push(client);
    client.on("error", () => {}).write(encodeFrame(JSON.stringify(said)));
  });
  await once(server.listen(path), "listening");
}

test("whoever asks a holder that hangs hears so, and does not wait for ever", async () => {
  await listen();
  const gone = Promise.withResolvers<void>();
  const connection = await HolderConnection.open(path, { trouble() {}, gone: gone.resolve }, 200);
  await expect(connection.ask({ do: "inspect" })).rejects.toBeInstanceOf(HolderGoneError);
  await gone.promise;
});

test("a failure that goes on is told once", async () => {
  await listen();
  const firewall = await HeldFirewall.open({
    socket: path,
    state: join(folder, "rules"),
    startsHolder: false,
  });
  const failures: string[] = [];
  const again = Promise.withResolvers<void>();
  firewall.onTrouble(({ kind, message }) => {
    if (kind === "failed") failures.push(message);
    if (kind === "holder-back") again.resolve();
  });
  // Whoever comes again speaks to one that holds another table.
  server.close();
  const before = clients;
  clients = [];
  await listen({ ...hello, table: "another" });
  for (const client of before) client.destroy();
  await expect.poll(() => clients.length, { timeout: 60_000 }).toBeGreaterThan(8);
  expect(failures).toHaveLength(1);
  expect(failures[0]).toMatch(/holds the table another/);
  await firewall.close();
});
