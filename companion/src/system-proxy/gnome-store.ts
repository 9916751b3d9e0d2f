import { ClearError } from "../clear-error.ts";
import { type DesktopStore, OWN_NAMES, type ProxyAddress } from "./desktop-store.ts";
import type { CommandResult, RunCommand } from "./run-command.ts";

const SCHEMA = "org.gnome.system.proxy";

/**
 * GNOME and the desktops made from it: `org.gnome.system.proxy` by `gsettings`, values in GVariant text.
 * A value's name is its key, as in `mode`, after the name of its child schema, as in `http host`. Null: the default,
 * written by nobody.
 */
export function gnomeStore(run: RunCommand): DesktopStore {
  let defaults: ReadonlyMap<string, string> = new Map();
  return {
    kind: "gnome",
    name: "GNOME",
    async read() {
      const values = listed(await run("gsettings", ["list-recursively", SCHEMA]));
      // The memory backend holds nothing but defaults.
      const memory = { GSETTINGS_BACKEND: "memory" };
      defaults = listed(await run("gsettings", ["list-recursively", SCHEMA], memory));
      const { out } = await run("gsettings", ["writable", SCHEMA, "mode"]);
      if (out.trim() === "false") {
        throw new ClearError("GNOME's proxy settings are locked by this computer's administrator.");
      }
      const written = dumped(await run("dconf", ["dump", "/system/proxy/"]));
      return new Map(
        [...values].map(([name, value]) => {
          const isDefault = value === defaults.get(name) && !written.has(name);
          return [name, isDefault ? null : value];
        }),
      );
    },
    wanted: (at) =>
      new Map(wantedValues(at).map(([name, value]) => [name, value === defaults.get(name) ? null : value])),
    async write(values) {
      for (const [name, value] of values) {
        const [child, key = name] = name.includes(" ") ? name.split(" ") : [];
        const place = [child === undefined ? SCHEMA : `${SCHEMA}.${child}`, key];
        const words = value === null ? ["reset", ...place] : ["set", ...place, value];
        const { code, err } = await run("gsettings", words);
        if (code !== 0) throw new ClearError(`GNOME refused to set the proxy's ${name}: ${lastLine(err)}.`);
      }
    },
  };
}

/** `mode` comes last: until then the others have no say, unless a proxy was set before. */
function wantedValues({ host, port }: ProxyAddress): [string, string][] {
  const proxy = (child: string): [string, string][] => [
    [`${child} host`, `'${host}'`],
    [`${child} port`, `${port}`],
  ];
  return [
    ["ignore-hosts", `[${OWN_NAMES.map((name) => `'${name}'`).join(", ")}]`],
    ["http use-authentication", "false"],
    ...proxy("http"),
    ...proxy("https"),
    ["ftp host", "''"],
    ["ftp port", "0"],
    ...proxy("socks"),
    ["mode", "'manual'"],
  ];
}

const SECRETS: ReadonlySet<string> = new Set(["http authentication-password", "http authentication-user"]);

/** Lines of `schema key value`. */
function listed({ code, out, err }: CommandResult): Map<string, string> {
  if (code === null) throw new ClearError("GNOME's proxy settings are out of reach: there is no gsettings.");
  if (code !== 0) throw new ClearError(`GNOME's proxy settings cannot be read: ${lastLine(err)}.`);
  const values = new Map<string, string>();
  for (const line of out.split("\n")) {
    const [, child, key, value] = /^org\.gnome\.system\.proxy(?:\.(\S+))? (\S+) (.*)$/.exec(line) ?? [];
    const name = child === undefined ? `${key}` : `${child} ${key}`;
    if (value !== undefined && !SECRETS.has(name)) values.set(name, value);
  }
  return values;
}

/** Names of the values that somebody has written, where `dconf` is there to tell: groups of `key=value`. */
function dumped({ code, out }: CommandResult): Set<string> {
  const names = new Set<string>();
  if (code !== 0) return names;
  let child = "";
  for (const line of out.split("\n")) {
    const group = /^\[(.+)\]$/.exec(line)?.[1];
    if (group !== undefined) child = group === "/" ? "" : `${group} `;
    const key = /^([a-z-]+)=/.exec(line)?.[1];
    if (key !== undefined) names.add(`${child}${key}`);
  }
  return names;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.replace(/\.$/, "") || "it did not say why";
}
