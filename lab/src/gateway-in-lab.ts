import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { LabExit } from "./exits/exit.ts";
import type { Lab } from "./lab.ts";
import { serverReady } from "./server-ready.ts";
import { nodeOf } from "./topology.ts";

const GATEWAY_PORT = 7777;
const WEB_PORT = 3000;
const WEB_URL = `http://localhost:${WEB_PORT}`;

/** The real server in the lab's gateway namespace, with the lab's exits as its upstreams. */
export interface GatewayInLab {
  readonly username: string;
  readonly password: string;
  /** For curl's `-x`, with the keys of the username grammar, as in `cc-us`. */
  proxyUrl(scheme: "http" | "socks5h", wish: string): string;
  /** What the account says that each exit has carried today, by country. */
  usageByExit(): Promise<Map<string, Usage>>;
  /** What the account says it has used this month, in all. */
  usage(): Promise<Usage>;
}

/** Bytes as bigint would be exact beyond 2^53; a test run is far below. */
export interface Usage {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Starts the server and waits until it is ready. It ends with the lab. */
export async function startGatewayInLab(lab: Lab): Promise<GatewayInLab> {
  const data = join(lab.folder, "data");
  mkdirSync(join(data, "server"), { recursive: true, mode: 0o700 });
  writeFileSync(join(data, "server/upstreams.json"), JSON.stringify(upstreamsFile(lab)), { mode: 0o600 });
  const entry = join(import.meta.dirname, "../../server/src/main.ts");
  const argv = [process.execPath, "--disable-warning=ExperimentalWarning", entry];
  const env = {
    ATLANTIC_DATA: data,
    ATLANTIC_GATEWAY_HOST: lab.address("gateway"),
    ATLANTIC_GATEWAY_PORT: String(GATEWAY_PORT),
    ATLANTIC_WEB_PORT: String(WEB_PORT),
    ATLANTIC_FIRST_ACCOUNT: "1",
    ATLANTIC_DRAIN_SECONDS: "0",
    DATABASE_URL: "",
    REDIS_URL: "",
  };
  const server = lab.spawn("gateway", argv, { env, ipc: true });
  const { credential, signInUrl } = await serverReady(server.child);
  if (credential === null || signInUrl === null) throw new Error("The server made no first account.");
  const { username, password } = credential;
  const cookies = await signIn(lab, new URL(signInUrl).hash.slice(1));
  return {
    username,
    password,
    proxyUrl: (scheme, wish) =>
      `${scheme}://${username}-${wish}:${password}@${lab.address("gateway")}:${GATEWAY_PORT}`,
    async usageByExit() {
      const input = encodeURIComponent(JSON.stringify({ range: "day" }));
      const answer = byExitSchema.parse(
        await ask(lab, `/api/trpc/usage.byExit?input=${input}`, ["-b", cookies]),
      );
      return new Map(answer.result.data.exits.map(({ country, ...usage }) => [country ?? "", usage]));
    },
    async usage() {
      const answer = await ask(lab, "/api/trpc/usage.summary", ["-b", cookies]);
      return summarySchema.parse(answer).result.data.month;
    },
  };
}

/** Each exit is a generic upstream that leads to its own country; the sites' addresses are not public. */
function upstreamsFile(lab: Lab): unknown {
  const upstream = ({ country, protocol, address, port, username, password, program }: LabExit) => ({
    kind: "generic",
    name: country,
    protocol,
    host: address,
    port,
    username,
    password,
    places: [{ country, label: `${country.toUpperCase()} by ${program}`, network: "datacenter" }],
  });
  return {
    upstreams: lab.exits.map(upstream),
    allowTargets: nodeOf("sites").addresses.map((address) => `${address}/32`),
  };
}

const bytes = z.string().regex(/^\d+$/).transform(Number);
const usageSchema = z.object({ sentBytes: bytes, receivedBytes: bytes });
const summarySchema = z.object({ result: z.object({ data: z.object({ month: usageSchema }) }) });
const byExitSchema = z.object({
  result: z.object({
    data: z.object({ exits: z.array(usageSchema.extend({ country: z.string().nullable() })) }),
  }),
});

/** Signs the first account in with its one-time token. @returns curl's file of cookies */
async function signIn(lab: Lab, token: string): Promise<string> {
  const file = join(lab.folder, "cookies");
  // The token goes by standard input: arguments can be read by every process of the machine.
  const options = [
    "-c",
    file,
    "-H",
    "Content-Type: application/json",
    "-H",
    `Origin: ${WEB_URL}`,
    "-d",
    "@-",
  ];
  await ask(lab, "/api/auth/sign-in/once", options, JSON.stringify({ token }));
  return file;
}

async function ask(lab: Lab, path: string, options: readonly string[], input = ""): Promise<unknown> {
  const argv = ["curl", "-sS", "--fail-with-body", ...options, `${WEB_URL}${path}`];
  const { code, stdout, stderr } = await lab.exec("gateway", argv, { input });
  if (code !== 0) throw new Error(`${path} failed: ${stderr.trim()} ${stdout}`);
  return JSON.parse(stdout);
}
