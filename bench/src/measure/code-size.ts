import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";

/** A file that a page loads before it can be used, and its size on its own under gzip (level 9). */
export interface CodeFile {
  readonly file: string;
  readonly gzipBytes: number;
}

/** The scripts and styles that a built page loads: those that it names, and what these import at once. */
export function codeOfPage(root: string, page: string): CodeFile[] {
  const waiting = [
    ...readFileSync(join(root, page), "utf8").matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g),
  ].map(([, path = ""]) => (path.startsWith("/") ? join(root, path) : join(root, dirname(page), path)));
  const found = new Map<string, number>();
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (found.has(file)) continue;
    const text = readFileSync(file);
    found.set(file, gzipSync(text, { level: 9 }).length);
    const folder = dirname(file);
    if (file.endsWith(".js")) waiting.push(...importsOf(text.toString()).map((path) => join(folder, path)));
  }
  return [...found].map(([file, gzipBytes]) => ({ file: relative(root, file), gzipBytes }));
}

/** Static imports and re-exports of other chunks. What is imported later, on demand, does not hold the page up. */
export function importsOf(code: string): string[] {
  return [
    ...code.matchAll(/(?:^|[;}\s])(?:import|export)\b(?:[\w\s{},$*]*?\bfrom)?\s*["'](\.[^"']+)["']/g),
  ].map(([, path = ""]) => path);
}
