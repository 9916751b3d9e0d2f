import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { trialSite } from "./trial-site.ts";

const ECHO = { echoHost: "echo.atlantic.test" };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-trial-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test("lines ask for the echo site where all exits are the demonstration's", async () => {
  expect(await trialSite({ directory, demonstration: true }, ECHO)).toBe("http://echo.atlantic.test/");
});

test("and for a public site where a provider may carry them, or there is no demonstration", async () => {
  const provider = {
    kind: "generic",
    protocol: "socks5",
    host: "proxy.example",
    port: 1080,
    places: [{ country: "nl", label: "Utrecht" }],
  };
  const file = { upstreams: [{ kind: "local" }, { ...provider, name: "office" }] };
  await writeFile(join(directory, "upstreams.json"), JSON.stringify(file));
  expect(await trialSite({ directory, demonstration: true }, ECHO)).toBe("https://example.com/");
  expect(await trialSite({ directory, demonstration: true }, null)).toBe("https://example.com/");
});
