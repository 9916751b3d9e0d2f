import { expect, test } from "vitest";
import { readSettings } from "./settings.ts";

test("defaults are the documented ports and ./data", () => {
  const settings = readSettings([], {});
  expect(settings).toMatchObject({ webPort: 3000, gatewayPort: 7777, proxyPort: 9150 });
  expect(settings.data).toMatch(/[/\\]data$/);
});

test("a flag wins over the environment, and the environment over the default", () => {
  const env = { ATLANTIC_WEB_PORT: "4000", ATLANTIC_GATEWAY_PORT: "4001" };
  expect(readSettings(["--web-port", "5000"], env)).toMatchObject({
    webPort: 5000,
    gatewayPort: 4001,
    proxyPort: 9150,
  });
});

test("what is no flag is told with the way that flags are given", () => {
  for (const word of ["--frob", "4000"]) {
    expect(() => readSettings([word], {})).toThrow(/npm start -- --web-port 4000; --help lists them\.$/);
  }
});

test.each([
  ["--web-port", "http"],
  ["--gateway-port", "70000"],
  ["--proxy-port", "-1"],
  ["--gateway-tls-port", "x"],
])("a bad %s is refused by name", (flag, value) => {
  expect(() => readSettings([`${flag}=${value}`], {})).toThrow(
    `${flag} must be a port number from 0 to 65535.`,
  );
});
