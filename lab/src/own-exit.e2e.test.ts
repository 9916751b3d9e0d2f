import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLab, type Lab } from "./lab.ts";
import { ipBatch } from "./net/ip-batch.ts";
import { labProblem } from "./requirements.ts";
import { serverReady } from "./server-ready.ts";
import { nodeOf } from "./topology.ts";

const canRun = labProblem() === undefined || process.env.CI === "true";
const main = join(import.meta.dirname, "../../server/src/main.ts");
const argv = [process.execPath, "--disable-warning=ExperimentalWarning", main];
const EXIT_PORT = 7071;
const SECOND_ADDRESS = "192.0.2.11";

/** The gateway's machine asks the exit's, and sites see the exit's addresses alone. */
describe.runIf(canRun)("a gateway in one namespace and an exit of ours in another", () => {
  let lab: Lab;
  let proxy: (wish: string) => string;
  const key = randomBytes(32).toString("base64url");

  beforeAll(async () => {
    lab = await createLab();
    await ipBatch(lab.namespaces["exit-jp"], [`address add ${SECOND_ADDRESS}/32 dev eth0`]);
    await ipBatch(lab.namespaces.router, [`route add ${SECOND_ADDRESS}/32 via ${lab.address("exit-jp")}`]);
    await startExit();
    proxy = await startGateway();
  });
  afterAll(() => lab.close());

  const sites = nodeOf("sites").addresses.map((address) => `${address}/32`);

  function dataFolder(name: string, file: string, content: unknown): string {
    const folder = join(lab.folder, name);
    mkdirSync(join(folder, "server"), { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, "server", file), JSON.stringify(content), { mode: 0o600 });
    return folder;
  }

  async function startExit(): Promise<void> {
    const { certificate, key: certificateKey } = lab.certificates;
    const data = dataFolder("exit", "exit.json", {
      key,
      addresses: [lab.address("exit-jp"), SECOND_ADDRESS],
      tls: { certificate, key: certificateKey },
      allowTargets: sites,
    });
    const env = { ATLANTIC_DATA: data, ATLANTIC_ROLES: "exit", ATLANTIC_EXIT_PORT: String(EXIT_PORT) };
    await lab.spawn("exit-jp", argv, { env }).listening(EXIT_PORT);
  }

  async function startGateway(): Promise<(wish: string) => string> {
    const data = dataFolder("gateway", "upstreams.json", {
      upstreams: [
        {
          kind: "own",
          host: "jp.exits.lab.test",
          port: EXIT_PORT,
          key,
          ca: readFileSync(lab.certificates.authority, "utf8"),
          places: [{ country: "jp", label: "Our exit", addresses: [lab.address("exit-jp"), SECOND_ADDRESS] }],
        },
      ],
      allowTargets: sites,
    });
    const env = {
      ATLANTIC_DATA: data,
      ATLANTIC_GATEWAY_HOST: lab.address("gateway"),
      ATLANTIC_GATEWAY_PORT: "7777",
      ATLANTIC_WEB_PORT: "3000",
      ATLANTIC_FIRST_ACCOUNT: "1",
      DATABASE_URL: "",
      REDIS_URL: "",
    };
    const { credential } = await serverReady(lab.spawn("gateway", argv, { env, ipc: true }).child);
    if (credential === null) throw new Error("The server made no first account.");
    return (wish) =>
      `http://${credential.username}${wish}:${credential.password}@${lab.address("gateway")}:7777`;
  }

  const ask = async (wish: string, url: string) => {
    const curl = ["curl", "-sS", "-m", "20", "--cacert", lab.certificates.authority, "-x", proxy(wish), url];
    const { stdout, stderr } = await lab.exec("client", curl);
    expect(stderr).toBe("");
    return (JSON.parse(stdout) as { address: string }).address;
  };

  test("sites see the address that the session has, over TLS between the two", async () => {
    const seen = new Set<string>();
    for (const session of ["a", "b", "c", "d", "e", "f"]) {
      const first = await ask(`-cc-jp-sid-${session}`, "http://shop.lab.test/address");
      expect(await ask(`-cc-jp-sid-${session}`, "https://news.lab.test/address")).toBe(first);
      seen.add(first);
    }
    expect([...seen].sort()).toEqual([lab.address("exit-jp"), SECOND_ADDRESS].sort());
  });
});
