import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { addonState, peerCredentials } from "./addon.ts";
import { descriptorOf } from "./socket-descriptor.ts";

const isBuilt = addonState().kind === "loaded";

test("the addon loads when it was built, and is missed in silence when it was not", () => {
  expect(["loaded", "not built"]).toContain(addonState().kind);
  if (!isBuilt) expect(peerCredentials(0)).toBeNull();
});

test("the peer of a Unix socket is the process that connected", async () => {
  const directory = mkdtempSync(join(tmpdir(), "atl-native-"));
  const server = createServer().listen(join(directory, "s"));
  await once(server, "listening");
  const client = connect(join(directory, "s"));
  const [accepted] = (await once(server, "connection")) as [Socket];
  const own = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
  for (const socket of [accepted, client]) {
    const fd = descriptorOf(socket);
    expect(fd).toBeGreaterThan(2);
    expect(peerCredentials(fd ?? -1)).toEqual(isBuilt ? own : null);
  }
  client.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

test("what is no Unix socket is an error, or null without the addon", async () => {
  if (!isBuilt) return expect(peerCredentials(-1)).toBeNull();
  expect(() => peerCredentials(-1)).toThrow(/Bad file descriptor/);
  expect(() => peerCredentials(1_000_000)).toThrow();
});
