import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NameFilter } from "../filter/name-filter.ts";
import { FilterLists } from "./filter-lists.ts";

let directory: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let port: number;
let close: () => void;
const dialled: string[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "atlantic-lists-"));
  const server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  dialled.length = 0;
});
afterEach(() => {
  close();
  rmSync(directory, { recursive: true, force: true });
});

const URL = "http://lists.example/hosts.txt";
const ID = "lists.example-hosts.txt";

async function openLists() {
  const filter = new NameFilter();
  const lists = new FilterLists({
    directory,
    filter,
    policy: () => null,
    dial: async ({ host, port: wanted }) => {
      dialled.push(`${host}:${wanted}`);
      return connect(port, "127.0.0.1");
    },
  });
  // What comes with the program is not what is tested here, and may not be built.
  for (const id of ["ads", "tracking", "security"]) await lists.remove(id);
  return { filter, lists };
}

const verdict = (filter: NameFilter, name: string) => filter.decide(name).verdict;

test("a list is fetched through the dialler, used, and there again after a restart", async () => {
  answer = (_, response) => response.setHeader("etag", '"1"').end("0.0.0.0 ads.example\n");
  const { filter, lists } = await openLists();
  await lists.add(URL);
  expect(dialled).toEqual(["lists.example:80"]);
  expect(verdict(filter, "ads.example")).toBe("blocked");
  const again = await openLists();
  await again.lists.load();
  expect(verdict(again.filter, "ads.example")).toBe("blocked");
  expect(again.filter.why("ads.example").rule).toEqual({
    by: "list",
    source: ID,
    rule: "0.0.0.0 ads.example",
    line: 1,
  });
});

test("an update asks by ETag, and takes a new version", async () => {
  let tag = '"1"';
  const asked: (string | undefined)[] = [];
  answer = (request, response) => {
    asked.push(request.headers["if-none-match"]);
    if (request.headers["if-none-match"] === tag) return void response.writeHead(304).end();
    response.setHeader("etag", tag).end(tag === '"1"' ? "||one.example^\n" : "||two.example^\n");
  };
  const { filter, lists } = await openLists();
  await lists.add(URL);
  expect(await lists.update()).toEqual([{ id: ID, outcome: "unchanged", problem: null }]);
  tag = '"2"';
  expect(await lists.update()).toEqual([{ id: ID, outcome: "new", problem: null }]);
  expect(asked).toEqual([undefined, '"1"', '"1"']);
  expect([verdict(filter, "one.example"), verdict(filter, "two.example")]).toEqual(["unknown", "blocked"]);
});

test.each([
  ["a failure", (response: ServerResponse) => response.writeHead(500).end()],
  [
    "a page instead of a list",
    (response: ServerResponse) => response.end("<!doctype html><p>Please log in</p>"),
  ],
  [
    "a list that breaks off",
    (response: ServerResponse) => {
      response.setHeader("content-length", 1_000);
      response.write("||two.example^\n", () => response.destroy());
    },
  ],
  ["an empty answer", (response: ServerResponse) => response.end("")],
])("after %s the last good list is used, and the problem is told", async (_, bad) => {
  answer = (_, response) => response.end("||one.example^\n");
  const { filter, lists } = await openLists();
  await lists.add(URL);
  answer = (_, response) => bad(response);
  const [outcome] = await lists.update();
  expect(outcome).toMatchObject({ outcome: "failed", problem: expect.any(String) });
  expect(verdict(filter, "one.example")).toBe("blocked");
  expect(readFileSync(join(directory, `${ID}.txt`), "utf8")).toBe("||one.example^\n");
  expect(lists.state.subscriptions[0]?.problem).toBe(outcome?.problem);
});

test("a pinned list is followed in that version alone", async () => {
  const good = "||one.example^\n";
  const pinned = createHash("sha256").update(good).digest("hex");
  answer = (_, response) => response.end(good);
  const { filter, lists } = await openLists();
  await lists.add(URL, pinned);
  answer = (_, response) => response.end("||two.example^\n");
  expect(await lists.update()).toMatchObject([
    { outcome: "failed", problem: expect.stringContaining("not the version that is pinned") },
  ]);
  expect(verdict(filter, "one.example")).toBe("blocked");
});

test("the person's word weighs more than a list's, and can be taken back", async () => {
  answer = (_, response) => response.end("||one.example^$important\n");
  const { filter, lists } = await openLists();
  await lists.add(URL);
  await lists.say("One.Example.", "allow");
  expect(verdict(filter, "x.one.example")).toBe("allowed");
  await lists.say("one.example", null);
  expect(verdict(filter, "x.one.example")).toBe("blocked");
  await lists.say("two.example", "block");
  expect(verdict(filter, "two.example")).toBe("blocked");
  await expect(lists.say("no name", "block")).rejects.toThrow(/is no name/);
});

test("what is removed is gone, from the disk too", async () => {
  answer = (_, response) => response.end("||one.example^\n");
  const { filter, lists } = await openLists();
  await lists.add(URL);
  await lists.remove(ID);
  expect(verdict(filter, "one.example")).toBe("unknown");
  expect(existsSync(join(directory, `${ID}.txt`))).toBe(false);
});

test("the choices block what leads past the resolver", async () => {
  const { filter, lists } = await openLists();
  await lists.choose({ privateRelays: true, dohServers: false });
  expect(verdict(filter, "use-application-dns.net")).toBe("blocked");
  expect(verdict(filter, "mask.icloud.com")).toBe("blocked");
  expect(verdict(filter, "dns.google")).toBe("unknown");
});

test("a state that is damaged is said to be, and not replaced by one that filters less", async () => {
  writeFileSync(join(directory, "lists.json"), "{");
  await expect(openLists()).rejects.toThrow(/no good copy of it: mend it, or delete it/);
});
