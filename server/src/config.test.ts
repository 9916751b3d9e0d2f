import { expect, test } from "vitest";
import { ConfigError, readConfig } from "./config.ts";

test("without settings everything runs here, on PGlite and this process's memory", () => {
  const config = readConfig({});
  expect([...config.roles]).toEqual(["web", "gateway", "worker"]);
  expect(config).toMatchObject({
    web: { host: "127.0.0.1", port: 3000, url: null },
    gateway: { host: "127.0.0.1", port: 7777 },
    databaseUrl: null,
    redisUrl: null,
    firstAccount: false,
  });
  expect(config.directory).toMatch(/data\/server$/);
});

test("an empty setting is none", () => {
  expect(readConfig({ ATLANTIC_WEB_PORT: "", DATABASE_URL: "" })).toMatchObject({
    web: { port: 3000 },
    databaseUrl: null,
  });
});

test("a setting that cannot be read is named, and its value is not shown", () => {
  const read = () => readConfig({ DATABASE_URL: "mysql://root:hunter2@db", ATLANTIC_WEB_PORT: "99999" });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(/ATLANTIC_WEB_PORT and DATABASE_URL cannot be read/);
  expect(read).not.toThrow(/hunter2/);
});

test("TLS is on with a certificate, or where a port is asked for", () => {
  expect(readConfig({}).gateway.tls).toBeNull();
  expect(readConfig({ ATLANTIC_GATEWAY_TLS_PORT: "7443" }).gateway.tls).toEqual({ port: 7443, files: null });
  expect(
    readConfig({ ATLANTIC_GATEWAY_TLS_CERT: "/c.pem", ATLANTIC_GATEWAY_TLS_KEY: "/k.pem" }).gateway.tls,
  ).toEqual({ port: 7778, files: { certificate: "/c.pem", key: "/k.pem" } });
  expect(() => readConfig({ ATLANTIC_GATEWAY_TLS_CERT: "/c.pem" })).toThrow(/set both, or neither/);
});
