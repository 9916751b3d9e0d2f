import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ListRule } from "./list-rule.ts";
import { parseListLine } from "./parse-list.ts";

function rulesOf(line: string): readonly ListRule[] {
  const read = parseListLine(line);
  return read.kind === "rules" ? read.rules : [];
}

const plain = { important: false, allow: false, condition: null };

test.each([
  ["||a.example^", { ...plain, name: "a.example", self: true, below: true }],
  ["||A.Example^", { ...plain, name: "a.example", self: true, below: true }],
  ["||bücher.example^", { ...plain, name: "xn--bcher-kva.example", self: true, below: true }],
  ["@@||a.example^", { ...plain, allow: true, name: "a.example", self: true, below: true }],
  ["@@||a.example^|", { ...plain, allow: true, name: "a.example", self: true, below: true }],
  ["||a.example^$important", { ...plain, important: true, name: "a.example", self: true, below: true }],
  ["|a.example^", { ...plain, name: "a.example", self: true, below: false }],
  ["a.example", { ...plain, name: "a.example", self: true, below: false }],
  ["a.example.", { ...plain, name: "a.example", self: true, below: false }],
  ["*.a.example", { ...plain, name: "a.example", self: false, below: true }],
  ["||*.a.example^", { ...plain, name: "a.example", self: false, below: true }],
  ["0.0.0.0 a.example ## why ##", { ...plain, name: "a.example", self: true, below: false }],
  ["0.0.0.0 a.example # why", { ...plain, name: "a.example", self: true, below: false }],
  [":: a.example", { ...plain, name: "a.example", self: true, below: false }],
])("%s is one rule of a name", (line, rule) => {
  expect(rulesOf(line)).toEqual([rule]);
});

test("a line of hosts syntax may hold several names, and the machine's own names are none", () => {
  expect(rulesOf("127.0.0.1\tlocalhost a.example b.example").map(({ name }) => name)).toEqual([
    "a.example",
    "b.example",
  ]);
  for (const line of ["127.0.0.1 localhost", "255.255.255.255 broadcasthost", "fe80::1%lo0 localhost"])
    expect(parseListLine(line), line).toEqual({ kind: "silent" });
});

test("conditions are kept", () => {
  expect(rulesOf("||a.example^$dnstype=AAAA|HTTPS,denyallow=b.a.example")).toMatchObject([
    { condition: { types: { numbers: [28, 65], meant: true }, except: ["b.a.example"] } },
  ]);
  expect(rulesOf("||ads*.a.example^")).toMatchObject([
    { name: "a.example", condition: { pattern: { parts: ["ads", ".a.example"] } } },
  ]);
  expect(rulesOf("||a.example")).toMatchObject([
    { name: "", condition: { pattern: { parts: ["a.example"], end: false } } },
  ]);
});

describe("what says nothing of names is counted by its reason", () => {
  test.each([
    ["example.com##.banner", "hides parts of pages"],
    ["example.com#@#.banner", "hides parts of pages"],
    ["example.com#$#body { color: red }", "hides parts of pages"],
    ["||a.example/ad.js", "speaks of addresses of pages"],
    ["/banner/*/img^", "speaks of addresses of pages"],
    ["/^ads[0-9]+\\./", "regular expression"],
    ["||a.example^$third-party", "modifier for browsers or for one client"],
    ["||a.example^$dnsrewrite=1.2.3.4", "modifier for browsers or for one client"],
    ["||a.example^$dnstype=NONSENSE", "modifier for browsers or for one client"],
    ["192.0.2.1 a.example", "answers with another address"],
    ["||192.0.2.1^", "not a name"],
    ["*", "not a name"],
    ["||*^", "not a name"],
    ["-ab-", "not a name"],
    ["||é@a.example^", "not a name"],
    ["0.0.0.0 bücher.example:80", "not a name"],
    ["0.0.0.0 é/a.example", "not a name"],
  ])("%s", (line, because) => {
    expect(parseListLine(line)).toEqual({ kind: "not understood", because });
  });
});

test.each(["", "   ", "! comment", "# comment", "[Adblock Plus 2.0]"])("%j says nothing", (line) => {
  expect(parseListLine(line)).toEqual({ kind: "silent" });
});

test("no line makes the reader throw, and every name it finds can stand in a query", () => {
  const pieces = fc.constantFrom(
    "||",
    "|",
    "^",
    "@@",
    "$",
    "important",
    "*",
    ".",
    "a",
    "example",
    "dnstype=",
    "0.0.0.0 ",
    "#",
    "/",
    "é",
    "-",
    " ",
  );
  const lines = fc.oneof(
    fc.string(),
    fc.array(pieces).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(lines, (line) => {
      for (const { name } of rulesOf(line)) expect(name).toMatch(/^[a-z0-9_.-]{0,253}$/);
    }),
    { numRuns: 2_000 },
  );
});
