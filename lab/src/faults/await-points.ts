import { appendFileSync, existsSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { getCallSites } from "node:util";
import { promiseHooks } from "node:v8";
import { AIM_FILE, AIM_READ, type Aim, aimSchema, PASSED_FILE } from "./aim.ts";

/*
 * Loaded into the daemon before its own code (`node --import`). Every `await` of the product's own sources, and every
 * `then`, makes a promise that follows another, and V8 tells of it, with the stack at that place; when it goes on, V8 tells
 * of the same promise again. So the places are found as they are passed, and the process can be ended at any of them,
 * without a hook in the product. The column is that of what is awaited.
 */

const folder = process.env.LAB_POINTS;
if (folder === undefined) throw new Error("LAB_POINTS names no folder.");
const [aimFile, passedFile] = [join(folder, AIM_FILE), join(folder, PASSED_FILE)];

const root = new URL("../../../", import.meta.url).href;
const own = ["companion/src/", "native/src/"].map((path) => root + path);

const passings = new Map<string, number>();
let aim: Aim | undefined;
let aimed: Promise<unknown> | undefined;

readAim();
process.on("SIGUSR2", readAim);

promiseHooks.createHook({
  init(promise, parent) {
    // Without one it is no wait, but the promise that an asynchronous function returns.
    if (parent === undefined) return;
    // The first frame is this function's.
    const place = getCallSites(2)[1];
    if (!place || !own.some((path) => place.scriptName.startsWith(path))) return;
    const point = `${place.scriptName.slice(root.length)}:${place.lineNumber}:${place.columnNumber}`;
    const count = (passings.get(point) ?? 0) + 1;
    passings.set(point, count);
    if ((count & (count - 1)) === 0) appendFileSync(passedFile, `${point} ${count}\n`);
    if (aim?.point !== point || aim.passing !== count) return;
    if (aim.moment === "waits") end(aim);
    aimed = promise;
  },
  before(promise) {
    if (aim && promise === aimed) end(aim);
  },
});

/** From now on; passings are counted anew. */
function readAim(): void {
  passings.clear();
  aimed = undefined;
  aim = existsSync(aimFile) ? aimSchema.parse(JSON.parse(readFileSync(aimFile, "utf8"))) : undefined;
  appendFileSync(passedFile, `${AIM_READ}\n`);
}

function end({ end: how }: Aim): void {
  // So that the next daemon lives.
  unlinkSync(aimFile);
  if (how === "abort") process.abort();
  process.kill(process.pid, "SIGKILL");
}
