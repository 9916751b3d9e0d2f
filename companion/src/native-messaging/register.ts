import { createHash } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makePrivateDirectory } from "../state/state-file.ts";

/** The name under which the extension asks for its companion. */
export const HOST_NAME = "org.atlantic_proxy.companion";

type BrowserFamily = "chromium" | "firefox";

export interface HostRegistration {
  /** Of the companion to speak to; undefined: the system's service, where one runs. */
  readonly dataDir: string | undefined;
  /** The only extension that may start the relay: Chrome's 32 letters, or the add-on's id in Firefox. */
  readonly extensionId: string;
  readonly family?: BrowserFamily;
  /** A single-use pairing ticket for the browser of this profile. */
  readonly ticket?: string;
}

/**
 * Registers the relay in one browser profile.
 * @param options.userDataDir Chrome's user data directory; for Firefox the directory that it takes for its home
 * @returns where the manifest was written
 */
export async function registerHost(
  options: HostRegistration & { readonly userDataDir: string },
): Promise<string> {
  const isFirefox = options.family === "firefox";
  const inside = isFirefox ? join(".mozilla", "native-messaging-hosts") : "NativeMessagingHosts";
  return register(options, join(options.userDataDir, inside));
}

/**
 * Registers the relay for every browser of this user.
 * @returns where the manifests were written
 */
export async function registerHostForUser(options: HostRegistration, home = homedir()): Promise<string[]> {
  const places = userPlaces[process.platform === "darwin" ? "darwin" : "linux"][options.family ?? "chromium"];
  return Promise.all(places.map((place) => register(options, join(home, place))));
}

const userPlaces = {
  linux: {
    chromium: [".config/chromium/NativeMessagingHosts", ".config/google-chrome/NativeMessagingHosts"],
    firefox: [".mozilla/native-messaging-hosts"],
  },
  darwin: {
    chromium: [
      "Library/Application Support/Chromium/NativeMessagingHosts",
      "Library/Application Support/Google/Chrome/NativeMessagingHosts",
    ],
    firefox: ["Library/Application Support/Mozilla/NativeMessagingHosts"],
  },
} as const;

async function register(options: HostRegistration, directory: string): Promise<string> {
  const wrapper = await writeWrapper(options, directory);
  const manifest = join(directory, `${HOST_NAME}.json`);
  await mkdir(directory, { recursive: true });
  await writeFile(manifest, `${JSON.stringify(manifestOf(options, wrapper), null, 2)}\n`);
  return manifest;
}

function manifestOf({ extensionId, family }: HostRegistration, path: string): object {
  const allowed =
    family === "firefox"
      ? { allowed_extensions: [extensionId] }
      : { allowed_origins: [`chrome-extension://${extensionId}/`] };
  return { name: HOST_NAME, description: "Atlantic Proxy companion", path, type: "stdio", ...allowed };
}

/** A browser starts hosts without arguments of ours, so that what the relay must know stands in a script of its own. */
async function writeWrapper(options: HostRegistration, directory: string): Promise<string> {
  const place = join(scriptsOf(options), "hosts");
  makePrivateDirectory(place);
  const name = createHash("sha256").update(directory).digest("hex").slice(0, 16);
  const path = join(place, `${name}.sh`);
  await writeFile(path, wrapperText(options));
  await chmod(path, 0o700);
  return path;
}

/** A person may write nothing in the service's own directories. */
function scriptsOf({ dataDir }: HostRegistration): string {
  return dataDir === undefined ? join(homedir(), ".local/state/atlantic") : join(dataDir, "companion");
}

function wrapperText(options: HostRegistration): string {
  const { dataDir, extensionId, ticket } = options;
  const relay = fileURLToPath(new URL("./relay.ts", import.meta.url));
  return [
    "#!/bin/sh",
    dataDir === undefined ? "unset ATLANTIC_DATA" : `export ATLANTIC_DATA=${quoted(dataDir)}`,
    // A sleeping extension waits for the relay: compiled code is kept.
    `export NODE_COMPILE_CACHE=${quoted(join(scriptsOf(options), "cache"))}`,
    `export ATLANTIC_EXTENSION_ID=${quoted(extensionId)}`,
    ...(ticket === undefined ? [] : [`export ATLANTIC_PAIRING_TICKET=${quoted(ticket)}`]),
    `exec ${quoted(process.execPath)} --disable-warning=ExperimentalWarning ${quoted(relay)} "$@"`,
    "",
  ].join("\n");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
