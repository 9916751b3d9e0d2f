import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readConfig } from "@atlantic/companion/src/config.ts";
import { ControlClient } from "@atlantic/companion/src/control/control-client.ts";
import { companionPaths } from "@atlantic/companion/src/data-paths.ts";
import { registerHost } from "@atlantic/companion/src/native-messaging/register.ts";
import { EXTENSION_ID, FIREFOX_EXTENSION_ID } from "@atlantic/extension/id.ts";
import { type BrowserName, browserNames, findBrowser } from "./browser/find.ts";
import { openChrome } from "./browser/open-chrome.ts";
import { openFirefox } from "./browser/open-firefox.ts";
import { buildIfStale, chromeExtension, firefoxExtension } from "./build.ts";
import { readSettings, repository } from "./settings.ts";

const help = `npm run browser [-- [${browserNames.join("|")}] [options]]

  --data DIR           the data directory of the running companion (ATLANTIC_DATA, default ./data)
  --page URL           the page to open first
  --headless           without a window
`;

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/** Opens a browser with the extension in it, in a profile of its own, paired with the running companion. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      data: { type: "string" },
      page: { type: "string", default: "http://echo.atlantic.test/" },
      headless: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const found = await findBrowser(browserName(positionals));
  const settings = readSettings(values.data ? ["--data", values.data] : [], process.env);
  const isFirefox = found.name === "firefox";
  const build = isFirefox ? firefoxExtension : chromeExtension;
  await buildIfStale(build);

  const client = await ControlClient.open(
    companionPaths(settings.data).controlSocket,
    "npm run browser",
    "0.1.0",
  );
  const { ticket } = await client.request("pair.ticket", {});
  client.close();

  const profile = join(settings.data, "browser", found.name);
  await mkdir(profile, { recursive: true, mode: 0o700 });
  await registerHost({
    dataDir: settings.data,
    userDataDir: profile,
    family: isFirefox ? "firefox" : "chromium",
    extensionId: isFirefox ? FIREFOX_EXTENSION_ID : EXTENSION_ID,
    ticket,
  });
  const { hosts } = readConfig(companionPaths(settings.data).config);
  const open = isFirefox ? openFirefox : openChrome;
  const browser = await open({
    executable: found.executable,
    profile,
    extension: join(repository, build.output),
    page: values.page,
    hosts,
    extraArguments: values.headless ? ["--headless"] : [],
  });
  process.stdout.write(`${found.executable} is open, in the profile ${profile}.\n`);
  process.stdout.write(
    "Click Atlantic in the toolbar (the puzzle piece shows it) and pick an exit for the tab.\n",
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => browser.kill("SIGTERM"));
  await new Promise((resolve) => browser.once("exit", resolve));
}

function browserName(positionals: readonly string[]): BrowserName | undefined {
  const [wanted] = positionals;
  if (wanted === undefined) return undefined;
  const name = browserNames.find((candidate) => candidate === wanted);
  if (!name) throw new Error(`There is no browser "${wanted}" here: use ${browserNames.join(", ")}.`);
  return name;
}
