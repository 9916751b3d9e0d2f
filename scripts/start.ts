import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { COMPANION_NODE_FLAGS } from "../companion/src/node-flags.ts";
import { SERVER_NODE_FLAGS } from "../server/src/node-flags.ts";
import { buildIfStale, chromeExtension, webPage } from "./build.ts";
import { writeCompanionConfig } from "./companion-config.ts";
import { companionMessageSchema, type ServerReady, serverMessageSchema } from "./messages.ts";
import { type Part, startPart } from "./part.ts";
import { readSettings, repository, type Settings, settingsHelp } from "./settings.ts";

const started = Date.now();

try {
  const settings = readSettings(process.argv.slice(2), process.env);
  if (settings.help) process.stdout.write(`npm start [-- options]\n\n${settingsHelp}\n`);
  else await start(settings);
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

/** Starts every part of the product, says how to use it, and ends all of it on Ctrl-C. */
async function start(settings: Settings): Promise<void> {
  await makeDataDirectory(settings.data);
  const parts: Part<unknown>[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      process.stdout.write("\nEnding …\n");
      for (const part of parts.reverse()) await part.stop();
      process.stdout.write("Ended; everything is kept in the data directory.\n");
    })();
    return stopping;
  };
  const stopAndExit = () => void stop().then(() => process.exit());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stopAndExit);

  const onTrouble = (sentence: string, restarted: boolean) => {
    process.stderr.write(`${sentence}\n`);
    if (restarted) return;
    process.exitCode = 1;
    stopAndExit();
  };
  const env = {
    ATLANTIC_DATA: settings.data,
    ATLANTIC_WEB_PORT: String(settings.webPort),
    ATLANTIC_GATEWAY_PORT: String(settings.gatewayPort),
    ATLANTIC_PROXY_PORT: String(settings.proxyPort),
    ATLANTIC_GATEWAY_TLS_PORT: String(settings.gatewayTlsPort ?? ""),
    ATLANTIC_FIRST_ACCOUNT: "1",
    // Whoever types Ctrl-C does not want to wait for a browser's open connections.
    ATLANTIC_DRAIN_SECONDS: process.env.ATLANTIC_DRAIN_SECONDS ?? "0",
  };

  try {
    const builds = Promise.all([
      step("Web page", () => buildIfStale(webPage)),
      step("Extension", () => buildIfStale(chromeExtension)),
    ]);
    // Awaited below; a failure before that is not an unhandled one.
    builds.catch(() => {});
    const server = await step("Database and server", () =>
      startPart({
        name: "The server",
        entry: "server/src/main.ts",
        nodeFlags: SERVER_NODE_FLAGS,
        env,
        message: serverMessageSchema,
        onTrouble,
      }),
    );
    parts.push(server);
    await writeCompanionConfig(settings, server.ready);
    const companion = await step("Companion", () =>
      startPart({
        name: "The companion",
        entry: "companion/src/main.ts",
        nodeFlags: COMPANION_NODE_FLAGS,
        env,
        message: companionMessageSchema,
        onTrouble,
      }),
    );
    parts.push(companion);
    await builds;
    process.stdout.write(summary(settings, server.ready, companion.ready.proxyPort));
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeDataDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `The data directory ${path} cannot be made (${why}). Choose another by --data or ATLANTIC_DATA.`,
      {
        cause,
      },
    );
  }
}

async function step<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const began = Date.now();
  const result = await work();
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  process.stdout.write(`  ${name.padEnd(22)}${result === false ? "up to date" : `ready in ${seconds} s`}\n`);
  return result;
}

function summary(settings: Settings, server: ServerReady, proxyPort: number): string {
  const { credential, demonstration } = server;
  const site = demonstration ? `http://${demonstration.echoHost}/` : "https://example.com/";
  const lines = [
    "",
    `Atlantic Proxy is ready (${((Date.now() - started) / 1000).toFixed(1)} s).`,
    "",
    `  Web page     ${server.webUrl}`,
    ...(server.signInUrl
      ? [`  Sign in      ${server.signInUrl}`, "               (once, within 15 minutes)"]
      : []),
    `  Gateway      ${server.gatewayHost}:${server.gatewayPort}  (HTTP, CONNECT and SOCKS5)`,
    ...(credential
      ? [
          `               curl -x 'http://${credential.username}-cc-de:${credential.password}@${server.gatewayHost}:${server.gatewayPort}' ${site}`,
        ]
      : []),
    ...overTls(server, site),
    `  Local proxy  127.0.0.1:${proxyPort}  (for the extension)`,
    `  Browser      npm run browser      a browser with the extension in it, paired`,
    "               or your own: npx atlantic pair --register, then load extension/.output/chrome-mv3",
    "               on chrome://extensions (developer mode)",
    `  Command      npx atlantic status`,
    `  Data         ${settings.data}`,
    ...(existsSync(join(repository, "native/dist/atlantic-native.node"))
      ? []
      : [
          "  Native part  not built; npm run build:native makes the gateway several times faster (needs Rust)",
        ]),
    ...(demonstration
      ? [
          "",
          "  The exits are a demonstration: three exits of this machine, so that everything can be tried without",
          `  an account at a provider. ${site} shows the address that it sees.`,
        ]
      : []),
    "",
    "Ctrl-C ends everything.",
    "",
  ];
  return lines.join("\n");
}

function overTls({ gatewayTls, gatewayHost, credential }: ServerReady, site: string): string[] {
  if (gatewayTls === null) return [];
  const { port, fingerprint, certificate, selfSigned } = gatewayTls;
  const lines = [`  Over TLS     ${gatewayHost}:${port}  (HTTP/1.1, HTTP/2 and SOCKS5)`];
  if (selfSigned) lines.push(`               its own certificate, SHA-256 ${fingerprint}`);
  if (credential === null) return lines;
  const trust = selfSigned ? `--proxy-cacert '${certificate}' ` : "";
  const login = `${credential.username}-cc-de:${credential.password}`;
  return [...lines, `               curl ${trust}-x 'https://${login}@localhost:${port}' ${site}`];
}
