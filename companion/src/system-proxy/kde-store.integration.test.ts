import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type PrivateDesktop, startPrivateDesktop } from "../testing/private-desktop.ts";
import { kdeStore } from "./kde-store.ts";
import { changesTo, restorationOf, valuesOf } from "./setting-change.ts";

const AT = { host: "127.0.0.1", port: 41_234 };

let desktop: PrivateDesktop;
let file: string;
beforeAll(async () => {
  desktop = await startPrivateDesktop("KDE");
});
afterAll(() => desktop?.close());
beforeEach(async () => {
  file = join(desktop.home, ".config/kioslaverc");
  await desktop.say("rm", "-f", file);
});

async function pointAndBack() {
  const store = kdeStore(desktop.run, desktop.environment);
  const now = await store.read();
  const changes = changesTo(store.wanted(AT, now), now);
  await store.write(valuesOf(changes));
  return async () => store.write(restorationOf(changes, await store.read()).values);
}

const entry = (key: string) =>
  desktop.say("kreadconfig5", "--file", "kioslaverc", "--group", "Proxy Settings", "--key", key);

test("KDE's own reader finds the proxy, and no file is left where there was none", async () => {
  const back = await pointAndBack();
  expect(await entry("ProxyType")).toBe("1");
  expect(await entry("httpProxy")).toBe("http://127.0.0.1 41234");
  expect(await entry("httpsProxy")).toBe("http://127.0.0.1 41234");
  expect(await entry("socksProxy")).toBe("socks://127.0.0.1 41234");
  expect(await entry("NoProxyFor")).toBe("localhost,127.0.0.0/8,::1");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await back();
  expect(existsSync(file)).toBe(false);
});

test("a proxy that KDE's own writer wrote comes back byte for byte, its rights and its link as they were", async () => {
  const write = (group: string, key: string, value: string) =>
    desktop.say("kwriteconfig5", "--file", "kioslaverc", "--group", group, "--key", key, value);
  await write("Proxy Settings", "ProxyType", "2");
  await write("Proxy Settings", "Proxy Config Script", "http://wpad.corp.example/wpad.dat");
  await write("Proxy Settings", "httpProxy", "http://proxy.corp.example 3128");
  await write("Other", "Zürich", "ja");
  const real = join(desktop.home, "dotfiles", "kioslaverc");
  mkdirSync(join(desktop.home, "dotfiles"));
  writeFileSync(real, readFileSync(file), { mode: 0o640 });
  await desktop.say("rm", file);
  symlinkSync(real, file);
  const before = readFileSync(real);

  const back = await pointAndBack();
  expect(await entry("ProxyType")).toBe("1");
  expect(await entry("httpProxy")).toBe("http://127.0.0.1 41234");
  await back();
  expect(readFileSync(real).equals(before)).toBe(true);
  expect(statSync(real).mode & 0o777).toBe(0o640);
  expect(lstatSync(file).isSymbolicLink()).toBe(true);
});

test("what KDE writes into the same file meanwhile stays when ours goes", async () => {
  const back = await pointAndBack();
  await desktop.say("kwriteconfig5", "--file", "kioslaverc", "--group", "Other", "--key", "A", "1");
  await back();
  const read = await desktop.say("kreadconfig5", "--file", "kioslaverc", "--group", "Other", "--key", "A");
  expect(read).toBe("1");
  expect(readFileSync(file, "utf8")).not.toMatch(/127\.0\.0\.1|Proxy Settings/);
});

test("programs that are open are told to look again", async () => {
  const monitor = spawn("dbus-monitor", ["--session", "interface=org.kde.KIO.Scheduler"], {
    env: { ...process.env, ...desktop.environment },
    stdio: ["ignore", "pipe", "ignore"],
  });
  let heard = "";
  const told = new Promise<void>((resolve) => {
    monitor.stdout.setEncoding("utf8").on("data", (text: string) => {
      heard += text;
      if (heard.includes("member=reparseSlaveConfiguration")) resolve();
    });
  });
  // It says what it hears from the moment on at which it has its own name.
  await once(monitor.stdout, "data");
  const back = await pointAndBack();
  await told;
  await back();
  const gone = once(monitor, "exit");
  monitor.kill();
  await gone;
});
