import { ClearError } from "../clear-error.ts";
import { type DesktopStore, type DesktopValues, OWN_NAMES, type ProxyAddress } from "./desktop-store.ts";
import type { RunCommand } from "./run-command.ts";

/** The three kinds of proxy that a network service has, by the words that `networksetup` has for each. */
const PROXIES = ["webproxy", "securewebproxy", "socksfirewallproxy"] as const;

/**
 * macOS: every network service that is switched on, by `networksetup`. Values are named "service: setting" and spelled
 * as below. Written from its manual page and never run on a Mac.
 */
export function macosStore(run: RunCommand): DesktopStore {
  const ask = async (...words: string[]): Promise<string> => {
    const { code, out, err } = await run("networksetup", words);
    if (code === 0) return out;
    throw new ClearError(
      `networksetup ${words[0]} failed: ${err.trim() || out.trim() || "it did not say why"}.`,
    );
  };
  return {
    kind: "macos",
    name: "macOS",
    async read() {
      const values = new Map<string, string>();
      for (const service of servicesOf(await ask("-listallnetworkservices"))) {
        for (const proxy of PROXIES) {
          values.set(`${service}: ${proxy}`, proxyValue(service, await ask(`-get${proxy}`, service)));
        }
        values.set(`${service}: bypass`, bypassValue(await ask("-getproxybypassdomains", service)));
        values.set(`${service}: autoproxy`, autoProxyValue(await ask("-getautoproxyurl", service)));
        values.set(`${service}: discovery`, discoveryValue(await ask("-getproxyautodiscovery", service)));
      }
      return values;
    },
    wanted: wantedValues,
    async write(values) {
      for (const [name, value] of values)
        for (const words of commandsFor(name, value ?? "")) await ask(...words);
    },
  };
}

function wantedValues(at: ProxyAddress, now: DesktopValues): Map<string, string> {
  return new Map([...now.keys()].map((name) => [name, wantedValue(name, at, now.get(name) ?? "")]));
}

function wantedValue(name: string, { host, port }: ProxyAddress, now: string): string {
  const setting = settingOf(name);
  if (setting === "bypass") return JSON.stringify(["localhost", "127.0.0.1", OWN_NAMES[2]]);
  if (setting === "discovery") return "off";
  // Its address stays, so that nothing of the person's is overwritten that need not be.
  if (setting === "autoproxy") return now.replace(/^on /, "off ");
  return `on ${host} ${port}`;
}

/** The commands that give a setting its value. To set a proxy or an address switches it on: its state follows. */
export function commandsFor(name: string, value: string): string[][] {
  const service = name.slice(0, name.lastIndexOf(": "));
  const setting = settingOf(name);
  if (setting === "bypass") {
    const names = JSON.parse(value) as string[];
    return [["-setproxybypassdomains", service, ...(names.length > 0 ? names : ["Empty"])]];
  }
  if (setting === "discovery") return [["-setproxyautodiscovery", service, value]];
  const [state = "off", first = "", second = ""] = value.split(" ");
  if (setting === "autoproxy") {
    const address = first === "" ? [] : [["-setautoproxyurl", service, first]];
    return [...address, ["-setautoproxystate", service, state]];
  }
  return [
    [`-set${setting}`, service, first, second, "off"],
    [`-set${setting}state`, service, state],
  ];
}

function settingOf(name: string): string {
  return name.slice(name.lastIndexOf(": ") + 2);
}

/** Names, one a line below a line of explanation; those that are switched off have an asterisk. */
function servicesOf(text: string): string[] {
  return lines(text)
    .slice(1)
    .filter((line) => !line.startsWith("*"));
}

/** "on HOST PORT" or "off HOST PORT". */
function proxyValue(service: string, text: string): string {
  if (field(text, "Authenticated Proxy Enabled") === "1") {
    throw new ClearError(
      `The network service ${service} has a proxy with a login, which macOS lets nobody put back: nothing was changed.`,
    );
  }
  const state = field(text, "Enabled") === "Yes" ? "on" : "off";
  return `${state} ${field(text, "Server")} ${field(text, "Port")}`;
}

/** "on URL" or "off URL". */
function autoProxyValue(text: string): string {
  const url = field(text, "URL");
  return `${field(text, "Enabled") === "Yes" ? "on" : "off"} ${url === "(null)" ? "" : url}`;
}

function discoveryValue(text: string): string {
  return field(text, "Auto Proxy Discovery") === "On" ? "on" : "off";
}

/** A JSON list. */
function bypassValue(text: string): string {
  const names = lines(text);
  return JSON.stringify(names[0]?.startsWith("There aren't any") ? [] : names);
}

function field(text: string, name: string): string {
  return (
    lines(text)
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim() ?? ""
  );
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
