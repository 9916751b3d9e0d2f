import { expect, it } from "vitest";
import { requestFacts } from "./request-facts.ts";

const factsOf = (path: string, headers: Record<string, string> = {}, sites: string[] = []) =>
  requestFacts(new URL(`http://a.test${path}`), "GET", headers, sites);

it("the kind of a request is told by what it asks for, and else by its ending", () => {
  expect(factsOf("/", { accept: "text/html,*/*" }).types).toEqual(["main_frame", "sub_frame"]);
  expect(factsOf("/x", { accept: "text/css,*/*;q=0.1" }).types).toEqual(["stylesheet"]);
  expect(factsOf("/x", { accept: "image/avif,*/*" }).types).toEqual(["image"]);
  expect(factsOf("/x.js", { accept: "*/*" }).types).toEqual(["script"]);
  expect(factsOf("/x", { accept: "*/*", "x-requested-with": "XMLHttpRequest" }).types).toEqual([
    "xmlhttprequest",
  ]);
  expect(factsOf("/x.js", { accept: "*/*", "sec-fetch-dest": "image" }).types).toEqual(["image"]);
  expect(factsOf("/x").types).toContain("script");
  expect(factsOf("/x").types).toContain("xmlhttprequest");
});

it("the page that asks is the one that it names, or the only one that it can be", () => {
  expect(factsOf("/", { referer: "http://www.news.test/story" }, ["other.test"]).initiator).toBe(
    "www.news.test",
  );
  expect(factsOf("/", {}, ["news.test"]).initiator).toBe("news.test");
  expect(factsOf("/", {}, ["news.test", "blog.test"]).initiator).toBeNull();
  expect(factsOf("/", { referer: "no address" }, [""]).initiator).toBeNull();
});
