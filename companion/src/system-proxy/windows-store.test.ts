import { expect, test } from "vitest";
import type { RunCommand } from "./run-command.ts";
import { changesTo, restorationOf, valuesOf } from "./setting-change.ts";
import { windowsStore } from "./windows-store.ts";

const KEY = "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings";

/** As `reg query` prints a key. */
const before = [
  "",
  "HKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings",
  "    User Agent    REG_SZ    Mozilla/5.0 (compatible; MSIE 9.0; Win32)",
  "    ProxyEnable    REG_DWORD    0x1",
  "    ProxyServer    REG_SZ    proxy corp;  two    spaces",
  "    AutoConfigURL    REG_EXPAND_SZ    http://%SITE%/wpad.dat",
  "",
].join("\r\n");

function windows(query: string) {
  const written: string[][] = [];
  const programs: string[] = [];
  const run: RunCommand = async (program, words) => {
    programs.push(program);
    if (words[0] === "query") return { code: 0, out: query, err: "" };
    if (program === "reg") written.push([...words]);
    return { code: 0, out: "", err: "" };
  };
  return { store: windowsStore(run), written, programs };
}

test("the registry is pointed at the proxy and comes back with its types, and open programs are told", async () => {
  const { store, written, programs } = windows(before);
  const now = await store.read();
  const changes = changesTo(store.wanted({ host: "127.0.0.1", port: 9151 }, now), now);
  await store.write(valuesOf(changes));
  const at = "127.0.0.1:9151";
  expect(written.splice(0)).toEqual([
    ["add", KEY, "/v", "ProxyServer", "/t", "REG_SZ", "/d", `http=${at};https=${at};socks=${at}`, "/f"],
    ["add", KEY, "/v", "ProxyOverride", "/t", "REG_SZ", "/d", "localhost;127.*;[::1]", "/f"],
    ["delete", KEY, "/v", "AutoConfigURL", "/f"],
    ["add", KEY, "/v", "AutoDetect", "/t", "REG_DWORD", "/d", "0x0", "/f"],
  ]);
  expect(programs.at(-1)).toBe("powershell");
  await store.write(restorationOf(changes, valuesOf(changes)).values);
  expect(written).toEqual([
    ["delete", KEY, "/v", "AutoDetect", "/f"],
    ["add", KEY, "/v", "AutoConfigURL", "/t", "REG_EXPAND_SZ", "/d", "http://%SITE%/wpad.dat", "/f"],
    ["delete", KEY, "/v", "ProxyOverride", "/f"],
    ["add", KEY, "/v", "ProxyServer", "/t", "REG_SZ", "/d", "proxy corp;  two    spaces", "/f"],
  ]);
});

test("a value whose letters do not come through is not begun with", async () => {
  const { store } = windows("    ProxyServer    REG_SZ    pr\ufffdxy\r\n");
  await expect(store.read()).rejects.toThrow(/ProxyServer has letters/);
});
