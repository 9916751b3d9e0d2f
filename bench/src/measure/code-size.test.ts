import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { codeOfPage, importsOf } from "./code-size.ts";

test("imports are found in code as bundlers write it, those on demand are not", () => {
  const code = `import{a as b,c}from"./one.js";import"./two.css";export{x}from"./three.js";var d=()=>import("./late.js");import $ from './four.js'`;
  expect(importsOf(code)).toEqual(["./one.js", "./two.css", "./three.js", "./four.js"]);
});

test("each file counts once, whoever asks for it", () => {
  const root = mkdtempSync(join(tmpdir(), "atlantic-code-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "chunks"));
  writeFileSync(
    join(root, "popup.html"),
    '<script type="module" src="/chunks/a.js"></script><link rel="modulepreload" href="/chunks/b.js"><link rel="stylesheet" href="/s.css">',
  );
  writeFileSync(join(root, "chunks/a.js"), 'import"./b.js";');
  writeFileSync(join(root, "chunks/b.js"), 'export{}from"./a.js"');
  writeFileSync(join(root, "s.css"), "a{}");
  const files = codeOfPage(root, "popup.html");
  expect(files.map(({ file }) => file).sort()).toEqual(["chunks/a.js", "chunks/b.js", "s.css"]);
  for (const { gzipBytes } of files) expect(gzipBytes).toBeGreaterThan(0);
});
