import { describe, expect, it } from "vitest";
import { siteOf } from "./site.ts";

describe("siteOf", () => {
  it.each([
    ["https://www.example.co.uk/a?b#c", "example.co.uk"],
    ["http://a.test:8080/", "a.test"],
    ["wss://deep.down.a.test/", "a.test"],
    ["https://EXAMPLE.com./", "example.com"],
    ["https://192.0.2.7/", "192.0.2.7"],
    ["https://[2001:db8::1]/", "[2001:db8::1]"],
    ["http://intranet/", "intranet"],
    ["blob:https://www.a.test/7c1", "a.test"],
  ])("%s is of %s", (url, site) => expect(siteOf(url)).toBe(site));

  it("is never finer than the connections that browsers share", () => {
    expect(siteOf("https://alice.github.io/")).toBe(siteOf("https://bob.github.io/"));
  });

  it.each([
    "about:blank",
    "chrome://newtab/",
    "chrome-extension://x/gate.html",
    "data:text/html,x",
    "nonsense",
  ])("%s has none", (url) => expect(siteOf(url)).toBeNull());
});
