import fc from "fast-check";
import { expect, test } from "vitest";
import type { DesktopValues } from "./desktop-store.ts";
import { editKioslaverc, FILE_NAME, GROUP_NAME, readKioslaverc } from "./kioslaverc.ts";
import { changesTo, restorationOf, valuesOf } from "./setting-change.ts";

const WANTED: DesktopValues = new Map([
  [FILE_NAME, ""],
  [GROUP_NAME, ""],
  ["httpProxy", "httpProxy=http://127.0.0.1 9151"],
  ["ftpProxy", "ftpProxy="],
  ["ProxyType", "ProxyType=1"],
]);

const line = fc.oneof(
  fc.constantFrom(
    "",
    "[Proxy Settings]",
    "[Other]",
    "[Proxy Settings][$x]",
    "ProxyType=2",
    "ProxyType = 0  ",
    "httpProxy[$e]=http://$HOST 3128",
    "ftpProxy=ftp://ftp.example 21\r",
    "Unrelated=[Proxy Settings]",
    "# ProxyType=9",
    "PersistentProxyConnection=true",
    "\u00e4\u00ff=\u00fc",
  ),
  fc.string({ unit: "binary-ascii", maxLength: 30 }).filter((text) => !/\[\$[a-z]*i/.test(text)),
);
const file = fc.option(
  fc.array(line, { maxLength: 12 }).map((lines) => lines.join("\n")),
  { nil: null },
);

function pointed(text: string | null) {
  const { values } = readKioslaverc(text);
  const changes = changesTo(WANTED, values);
  return { changes, edited: editKioslaverc(text, valuesOf(changes)) };
}

function restored(changes: ReturnType<typeof changesTo>, text: string | null) {
  const { values, left } = restorationOf(changes, readKioslaverc(text).values);
  return { text: editKioslaverc(text, values), left };
}

test("whatever the file held, what is wanted is what counts in it afterwards, and every byte comes back", () => {
  fc.assert(
    fc.property(file, (text) => {
      const { changes, edited } = pointed(text);
      const { values } = readKioslaverc(edited);
      for (const [name, value] of WANTED) expect(values.get(name)).toBe(value);
      expect(restored(changes, edited)).toEqual({ text, left: [] });
    }),
    { numRuns: 2_000 },
  );
});

test("what KDE wrote meanwhile in the same file stays, and only our lines go", () => {
  const { changes, edited } = pointed("[Other]\nA=1\n");
  expect(edited).toBe(
    "[Proxy Settings]\nProxyType=1\nftpProxy=\nhttpProxy=http://127.0.0.1 9151\n[Other]\nA=1\n",
  );
  const rewritten = `${edited}B=2\n\n[More]\nC=3\n`;
  expect(restored(changes, rewritten)).toEqual({ text: "[Other]\nA=1\nB=2\n\n[More]\nC=3\n", left: [] });
});

test("a line that the person has set anew meanwhile is theirs", () => {
  const { changes, edited } = pointed("[Proxy Settings]\nProxyType=0\n");
  const theirs = (edited ?? "").replace("ProxyType=1", "ProxyType=3");
  expect(restored(changes, theirs)).toEqual({
    text: "[Proxy Settings]\nProxyType=3\n",
    left: ["ProxyType"],
  });
});

test.each([
  ["[Proxy Settings][$i]\nProxyType=0\n", true],
  ["[Proxy Settings]\nProxyType[$i]=0\n", true],
  ["[$i]\n[Proxy Settings]\n", true],
  ["[Proxy Settings]\nhttpProxy[$ei]=x\n", true],
  ["[Other][$i]\nA=1\n[Proxy Settings]\nProxyType=0\n", false],
  ["[Proxy Settings]\nhttpProxy=http://a[$i] 1\n", false],
])("an administrator's lock is seen: %j", (text, locked) => {
  expect(readKioslaverc(text).locked).toBe(locked);
});
