import { expect, test } from "vitest";
import { readConfig } from "./config.ts";
import { ConfigError } from "./config-error.ts";

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
  expect(read).toThrow(/ATLANTIC_WEB_PORT cannot be read.*DATABASE_URL cannot be read.*leave them out/);
  expect(read).not.toThrow(/hunter2/);
});

test.each([
  ["ATLANTIC_ROLES", "wbe", /web, gateway and worker, .* or exit alone/],
  ["ATLANTIC_ROLES", "exit,web", /web, gateway and worker, .* or exit alone/],
  ["ATLANTIC_WEB_PORT", "http", /from 0 to 65535/],
  ["ATLANTIC_WEB_URL", "ftp://proxy.example", /https?:\/\//],
  ["ATLANTIC_GATEWAY_PORT", "-1", /from 0 to 65535/],
  ["ATLANTIC_GATEWAY_TLS_PORT", "70000", /from 0 to 65535/],
  ["ATLANTIC_GATEWAY_PROCESSES", "many", /auto, or a number from 1 to 64/],
  ["ATLANTIC_GATEWAY_PROCESS", "-1", /a number that the gateway itself gives/],
  ["ATLANTIC_DRAIN_SECONDS", "1m", /seconds from 0 to 86400/],
  ["ATLANTIC_EXIT_PORT", "x", /from 0 to 65535/],
  ["ATLANTIC_QUOTA_STATUS", "402", /one of 403, 407/],
  ["ATLANTIC_DEMONSTRATION", "no", /0 or 1/],
  ["ATLANTIC_FIRST_ACCOUNT", "yes", /0 or 1/],
  ["ATLANTIC_SIGN_UP", "shut", /one of open, closed/],
  ["ATLANTIC_SIGN_UP_BYTES", "1GB", /a whole number of bytes/],
  ["ATLANTIC_TRUSTED_PROXIES", "10.0.0.0/8,balancer", /addresses and networks/],
  ["ATLANTIC_METRICS_TOKEN", "too short", /openssl rand/],
  ["ATLANTIC_METRICS_TOKEN", "no\nline break, please", /openssl rand/],
  ["ATLANTIC_LOG", "loud", /one of silent, error, warn, info, debug/],
  ["DATABASE_URL", "db.example", /postgres:\/\//],
  ["REDIS_URL", "cache.example", /redis:\/\/ or rediss:\/\//],
] as const)("%s that cannot be read (%s) is answered with what it takes", (name, value, takes) => {
  const read = () => readConfig({ [name]: value });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(new RegExp(`^${name} cannot be read: it takes `));
  expect(read).toThrow(takes);
  expect(read).not.toThrow(/a text/);
});

test("TLS is on with a certificate, or where a port is asked for", () => {
  expect(readConfig({}).gateway.tls).toBeNull();
  expect(readConfig({ ATLANTIC_GATEWAY_TLS_PORT: "7443" }).gateway.tls).toEqual({ port: 7443, files: null });
  expect(
    readConfig({ ATLANTIC_GATEWAY_TLS_CERT: "/c.pem", ATLANTIC_GATEWAY_TLS_KEY: "/k.pem" }).gateway.tls,
  ).toEqual({ port: 7778, files: { certificate: "/c.pem", key: "/k.pem" } });
  expect(() => readConfig({ ATLANTIC_GATEWAY_TLS_CERT: "/c.pem" })).toThrow(/set both, or neither/);
});
