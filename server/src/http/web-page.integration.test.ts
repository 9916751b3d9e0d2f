import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import Koa from "koa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listen, type WebServer } from "./listen.ts";
import { webPage } from "./web-page.ts";

let directory: string;
let server: WebServer;
let url: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "atlantic-page-"));
  const page = join(directory, "dist");
  await mkdir(join(page, "assets"), { recursive: true });
  await writeFile(join(page, "index.html"), "<title>page</title>");
  await writeFile(join(page, "assets", "index-a1.js"), "run()");
  await writeFile(join(page, ".secret.json"), "{}");
  await writeFile(join(directory, "secrets.json"), "{}");
  const app = new Koa();
  app.use(webPage(page));
  server = await listen({ host: "127.0.0.1", port: 0 });
  server.serve(app.callback());
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

test("a view's address gets the page, fresh each time", async () => {
  for (const path of ["/", "/exits", "/exits/", "/sign-in/once", "/credentials/0b1f"]) {
    const answer = await fetch(`${url}${path}`);
    expect([answer.status, await answer.text()]).toEqual([200, "<title>page</title>"]);
    expect(answer.headers.get("cache-control")).toBe("no-cache");
  }
});

test("an address that no view has gets the page too, which says so, and 404", async () => {
  for (const path of ["/metrics", "/dashboard", "/exits/nowhere", "/credentials/a/b"]) {
    const answer = await fetch(`${url}${path}`);
    expect([path, answer.status, await answer.text()]).toEqual([path, 404, "<title>page</title>"]);
    expect(answer.headers.get("cache-control")).toBe("no-cache");
  }
});

test("what is named after its content may be kept for ever", async () => {
  const answer = await fetch(`${url}/assets/index-a1.js`);
  expect(answer.headers.get("content-type")).toContain("text/javascript");
  expect(answer.headers.get("cache-control")).toContain("immutable");
});

test("a file that is not there is not the page", async () => {
  expect((await fetch(`${url}/assets/old.js`)).status).toBe(404);
  expect((await fetch(`${url}/api/nothing`)).status).toBe(404);
  expect((await fetch(`${url}/`, { method: "POST" })).status).toBe(404);
});

describe("nothing outside of the build is served", () => {
  test.each([
    "/../secrets.json",
    "/assets/../../secrets.json",
    "/%2e%2e/secrets.json",
    "/..%2fsecrets.json",
    "/.secret.json",
    "//etc/passwd",
    "/assets/..\\..\\secrets.json",
  ])("%s", async (path) => {
    const answer = await rawGet(path);
    expect(answer).not.toContain("{}");
    expect(answer).not.toContain("root:");
  });
});

/** `fetch` would tidy the path up first. */
async function rawGet(path: string): Promise<string> {
  const socket = connect(server.port, "127.0.0.1");
  socket.end(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  return text(socket);
}
