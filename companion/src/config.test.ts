import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readConfig } from "./config.ts";

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "atl-config-"));
  path = join(directory, "config.json");
});

afterEach(() => rmSync(directory, { recursive: true }));

const gateway = {
  kind: "gateway",
  host: "127.0.0.1",
  port: 7777,
  username: "atl_k3x9m2qp",
  password: "hunter2hunter2",
  apiUrl: "http://127.0.0.1:3000",
};

function write(value: unknown): void {
  writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value));
}

test("what is left out has its default, and the environment's port comes first", () => {
  write({ upstream: gateway });
  expect(readConfig(path, {})).toMatchObject({ proxyPort: 9150, addressCheckUrl: null, hosts: {} });
  expect(readConfig(path, { ATLANTIC_PROXY_PORT: "9999" }).proxyPort).toBe(9999);
  expect(readConfig(path, { ATLANTIC_PROXY_PORT: "" }).proxyPort).toBe(9150);
  expect(() => readConfig(path, { ATLANTIC_PROXY_PORT: "many" })).toThrow(/^ATLANTIC_PROXY_PORT is "many"/);
});

test("a provider needs no account and no server", () => {
  write({ upstream: { kind: "provider", provider: "socks5", host: "proxy.test", port: 1080 } });
  expect(readConfig(path, {}).upstream).toMatchObject({ username: "", password: "" });
});

test("what is missing or wrong is one sentence that names the place and never a value", () => {
  expect(() => readConfig(path, {})).toThrow(/has no configuration .* run npm start once/);
  write("{ not json");
  expect(() => readConfig(path, {})).toThrow(/is not JSON/);
  write({ upstream: { ...gateway, port: "hunter2hunter2" } });
  expect(() => readConfig(path, {})).toThrow(/upstream\.port/);
  expect(() => readConfig(path, {})).not.toThrow(/hunter2/);
  write({ upstream: gateway, addressCheckUrl: "https://echo.test/" });
  expect(() => readConfig(path, {})).toThrow(/addressCheckUrl/);
});
