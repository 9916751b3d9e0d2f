import { ClearError } from "../clear-error.ts";
import type { DesktopStore, DesktopValues, ProxyAddress } from "./desktop-store.ts";
import type { RunCommand } from "./run-command.ts";

const KEY = "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings";

const NAMES = ["ProxyServer", "ProxyOverride", "AutoConfigURL", "AutoDetect", "ProxyEnable"] as const;

/** INTERNET_OPTION_SETTINGS_CHANGED (39) and INTERNET_OPTION_REFRESH (37): open programs look again. */
const REFRESH = [
  '$wininet = Add-Type -MemberDefinition \'[DllImport("wininet.dll")] public static extern bool',
  "InternetSetOption(System.IntPtr h, int option, System.IntPtr buffer, int length);' -Name WinInet -PassThru;",
  "[void]$wininet::InternetSetOption(0, 39, 0, 0); [void]$wininet::InternetSetOption(0, 37, 0, 0)",
].join(" ");

/**
 * Windows: the person's Internet Settings in the registry, by `reg`. Values are "TYPE data". What services use
 * (`netsh winhttp`) belongs to the administrator and stays. Never run on Windows.
 */
export function windowsStore(run: RunCommand): DesktopStore {
  const ask = async (...words: string[]): Promise<string> => {
    const { code, out, err } = await run("reg", words);
    if (code === 0) return out;
    throw new ClearError(`reg ${words[0]} failed: ${err.trim() || "it did not say why"}.`);
  };
  return {
    kind: "windows",
    name: "Windows",
    read: async () => readValues(await ask("query", KEY)),
    wanted: wantedValues,
    async write(values) {
      for (const [name, value] of values) await ask(...commandFor(name, value));
      await run("powershell", ["-NoProfile", "-NonInteractive", "-Command", REFRESH]);
    },
  };
}

function wantedValues({ host, port }: ProxyAddress): DesktopValues {
  const at = `${host}:${port}`;
  return new Map([
    ["ProxyServer", `REG_SZ http=${at};https=${at};socks=${at}`],
    ["ProxyOverride", "REG_SZ localhost;127.*;[::1]"],
    ["AutoConfigURL", null],
    ["AutoDetect", "REG_DWORD 0x0"],
    ["ProxyEnable", "REG_DWORD 0x1"],
  ]);
}

/** Lines of `    Name    TYPE    data`. */
function readValues(text: string): Map<string, string | null> {
  const values = new Map<string, string | null>(NAMES.map((name) => [name, null]));
  for (const line of text.split(/\r?\n/)) {
    const [, name, type, data] = /^ {4}(\S.*?) {4}(REG_[A-Z_]+)(?: {4}(.*))?$/.exec(line) ?? [];
    if (name === undefined || !values.has(name)) continue;
    if (data?.includes("\ufffd")) {
      throw new ClearError(
        `The setting ${name} has letters that reg does not show: it could not be put back.`,
      );
    }
    values.set(name, `${type} ${data ?? ""}`);
  }
  return values;
}

/** The words for `reg` that give a value, or take it away. */
export function commandFor(name: string, value: string | null): string[] {
  if (value === null) return ["delete", KEY, "/v", name, "/f"];
  const space = value.indexOf(" ");
  return ["add", KEY, "/v", name, "/t", value.slice(0, space), "/d", value.slice(space + 1), "/f"];
}
