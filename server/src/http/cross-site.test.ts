import { describe, expect, test } from "vitest";
import { refuseCrossSite } from "./cross-site.ts";

const json = { "content-type": "application/json", host: "localhost:3000" };

describe("a request with the session's cookie is taken", () => {
  test.each([
    [
      "from our own page",
      "POST",
      { ...json, "sec-fetch-site": "same-origin", origin: "http://localhost:3000" },
    ],
    [
      "from a browser without fetch metadata, with our origin",
      "POST",
      { ...json, origin: "http://localhost:3000" },
    ],
    ["typed into the address bar", "GET", { host: "localhost:3000", "sec-fetch-site": "none" }],
    ["from a program that knows our header", "POST", { ...json, "x-atlantic-request": "1" }],
    ["to read, from a program", "GET", { host: "localhost:3000" }],
  ])("%s", (_, method, headers) => {
    expect(() => refuseCrossSite({ method, headers })).not.toThrow();
  });
});

describe("a request with the session's cookie is refused", () => {
  test.each([
    ["from another site", "POST", { ...json, "sec-fetch-site": "cross-site" }],
    ["from a neighbour under the same domain", "POST", { ...json, "sec-fetch-site": "same-site" }],
    ["from another port of this host", "POST", { ...json, origin: "http://localhost:3001" }],
    ["from an opaque origin", "POST", { ...json, origin: "null" }],
    ["to read, from another site", "GET", { host: "localhost:3000", "sec-fetch-site": "cross-site" }],
    ["without a type", "POST", { host: "localhost:3000", origin: "http://localhost:3000" }],
    [
      "as a form",
      "POST",
      { ...json, "content-type": "application/x-www-form-urlencoded", "x-atlantic-request": "1" },
    ],
    [
      "with JSON in a form's clothes",
      "POST",
      { ...json, "content-type": "text/plain; application/json", "x-atlantic-request": "1" },
    ],
    ["from nowhere", "POST", json],
  ])("%s", (_, method, headers) => {
    expect(() => refuseCrossSite({ method, headers })).toThrow("did not come from the web page");
  });
});
