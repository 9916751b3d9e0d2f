import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import type { Context, Middleware } from "koa";
import { viewPaths } from "../../web/src/viewPaths.ts";

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};

const NOT_BUILT =
  "The web page has not been built. Run `npm start`, which builds it, or `npx vite build server/web`.\n";

/**
 * Serves the built web page. An address of one of its views gets the page; one that neither a file nor a view has gets
 * the page as well, which says so, with 404: a program that asks for a wrong path must not take it for an answer.
 *
 * @param directory the build; looked at with each request, so that a new build needs no restart.
 */
export function webPage(directory: string): Middleware {
  return async (context, next) => {
    if (context.method !== "GET" && context.method !== "HEAD") return next();
    if (context.path === "/api" || context.path.startsWith("/api/")) return next();
    if (await sendFile(context, directory, context.path)) return;
    if (extname(context.path) !== "") return next();
    if (await sendFile(context, directory, "/index.html")) {
      context.status = isView(context.path) ? 200 : 404;
      return;
    }
    context.status = 503;
    context.type = "text/plain";
    context.body = NOT_BUILT;
  };
}

const views = Object.values(viewPaths).map(segmentsOf);

function isView(path: string): boolean {
  const asked = segmentsOf(path);
  return views.some(
    (view) =>
      view.length === asked.length && view.every((one, at) => one.startsWith(":") || one === asked[at]),
  );
}

/** One slash at the end changes nothing, as for the page itself. */
function segmentsOf(path: string): string[] {
  return path.replace(/(?<=.)\/$/, "").split("/");
}

async function sendFile(context: Context, directory: string, path: string): Promise<boolean> {
  const name = fileName(path);
  const type = name === null ? undefined : types[extname(name)];
  if (name === null || type === undefined) return false;
  const content = await readFile(join(directory, name)).catch(() => null);
  if (content === null) return false;
  context.set("Content-Type", type);
  // Vite names what it puts under assets/ after its content.
  context.set(
    "Cache-Control",
    name.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache",
  );
  context.body = content;
  return true;
}

/** A name inside of the directory: letters, digits and a few signs, and no segment that begins with a dot. */
function fileName(path: string): string | null {
  const name = path.slice(1);
  return /^(?!\.)[\w.@+-]+(\/(?!\.)[\w.@+-]+)*$/.test(name) ? name : null;
}
