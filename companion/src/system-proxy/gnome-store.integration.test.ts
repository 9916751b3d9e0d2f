import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type PrivateDesktop, startPrivateDesktop } from "../testing/private-desktop.ts";
import { gnomeStore } from "./gnome-store.ts";
import { changesTo, restorationOf, valuesOf } from "./setting-change.ts";

const SCHEMA = "org.gnome.system.proxy";
const AT = { host: "127.0.0.1", port: 41_234 };

let desktop: PrivateDesktop;
beforeAll(async () => {
  desktop = await startPrivateDesktop("GNOME");
});
afterAll(() => desktop?.close());
beforeEach(() => desktop.say("dconf", "reset", "-f", "/system/proxy/"));

async function pointAndBack(run = desktop.run) {
  const store = gnomeStore(run);
  const now = await store.read();
  const changes = changesTo(store.wanted(AT, now), now);
  await store.write(valuesOf(changes));
  return async () => store.write(restorationOf(changes, await store.read()).values);
}

const effective = async () => (await desktop.say("gsettings", "list-recursively", SCHEMA)).split("\n").sort();

test("programs of the desktop are told of the proxy, and of no way past it but to this machine", async () => {
  await pointAndBack();
  expect(await effective()).toEqual(
    [
      "org.gnome.system.proxy autoconfig-url ''",
      "org.gnome.system.proxy ignore-hosts ['localhost', '127.0.0.0/8', '::1']",
      "org.gnome.system.proxy mode 'manual'",
      "org.gnome.system.proxy use-same-proxy true",
      "org.gnome.system.proxy.ftp host ''",
      "org.gnome.system.proxy.ftp port 0",
      "org.gnome.system.proxy.http authentication-password ''",
      "org.gnome.system.proxy.http authentication-user ''",
      "org.gnome.system.proxy.http enabled false",
      "org.gnome.system.proxy.http host '127.0.0.1'",
      "org.gnome.system.proxy.http port 41234",
      "org.gnome.system.proxy.http use-authentication false",
      "org.gnome.system.proxy.https host '127.0.0.1'",
      "org.gnome.system.proxy.https port 41234",
      "org.gnome.system.proxy.socks host '127.0.0.1'",
      "org.gnome.system.proxy.socks port 41234",
    ].sort(),
  );
});

test("settings that nobody had made are unmade again, to the last key of the database", async () => {
  const back = await pointAndBack();
  expect(await desktop.say("dconf", "dump", "/system/proxy/")).toContain("mode='manual'");
  await back();
  expect(await desktop.say("dconf", "dump", "/system/proxy/")).toBe("");
});

test("a proxy that the person had comes back byte for byte, its login and a default written by hand among it", async () => {
  const theirs: [string, string, string][] = [
    [SCHEMA, "mode", "'auto'"],
    [SCHEMA, "autoconfig-url", "'http://wpad.corp.example/it''s \"here\".dat'".replace("''", "\\'")],
    [SCHEMA, "ignore-hosts", "['*.corp.example', 'localhost', 'ünïcode']"],
    [`${SCHEMA}.http`, "host", "'proxy.corp.example'"],
    [`${SCHEMA}.http`, "port", "3128"],
    [`${SCHEMA}.http`, "use-authentication", "true"],
    [`${SCHEMA}.http`, "authentication-user", "'ada'"],
    [`${SCHEMA}.http`, "authentication-password", "'secret word'"],
    [`${SCHEMA}.ftp`, "host", "''"],
    [`${SCHEMA}.socks`, "host", "'127.0.0.1'"],
  ];
  for (const words of theirs) await desktop.say("gsettings", "set", ...words);
  const before = await desktop.say("dconf", "dump", "/system/proxy/");
  expect(before.match(/=/g)).toHaveLength(theirs.length);
  const back = await pointAndBack();
  expect(await desktop.say("gsettings", "get", SCHEMA, "mode")).toBe("'manual'");
  await back();
  expect(await desktop.say("dconf", "dump", "/system/proxy/")).toBe(before);
});

test("without dconf's own program the same settings are in force again", async () => {
  await desktop.say("gsettings", "set", `${SCHEMA}.https`, "host", "'proxy.corp.example'");
  const before = await effective();
  const back = await pointAndBack((program, ...rest) =>
    program === "dconf" ? Promise.resolve({ code: null, out: "", err: "" }) : desktop.run(program, ...rest),
  );
  await back();
  expect(await effective()).toEqual(before);
});

test("the login of the person's own proxy is nothing that is read or kept", async () => {
  await desktop.say("gsettings", "set", `${SCHEMA}.http`, "authentication-password", "'secret word'");
  const values = await gnomeStore(desktop.run).read();
  expect(JSON.stringify([...values])).not.toContain("secret word");
});

test("a session without D-Bus, where nothing can be written, is not taken for one that was set", async () => {
  const lost = { DBUS_SESSION_BUS_ADDRESS: "unix:path=/nowhere", XDG_RUNTIME_DIR: "/nowhere" };
  const store = gnomeStore((program, words, more) => desktop.run(program, words, { ...lost, ...more }));
  const now = await store.read();
  await store.write(store.wanted(AT, now)).catch(() => {});
  expect((await store.read()).get("mode")).toBeNull();
});
