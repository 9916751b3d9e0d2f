import { type ChildProcess, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { z } from "zod";
import type { OpenOptions } from "./open-chrome.ts";

const announcement = /WebDriver BiDi listening on (ws:\/\/\S+)/;
const replySchema = z.union([
  z.object({ type: z.literal("success"), id: z.int(), result: z.looseObject({}) }),
  z.object({ type: z.literal("error"), id: z.int(), message: z.string() }),
  z.object({ type: z.literal("event") }),
]);

/** Opens Firefox with the extension installed for this run, in a profile of its own, over WebDriver BiDi. */
export async function openFirefox(options: OpenOptions): Promise<ChildProcess> {
  await mkdir(options.profile, { recursive: true });
  const browser = spawn(
    options.executable,
    ["--profile", options.profile, "--no-remote", "--remote-debugging-port", "0", ...options.extraArguments],
    // Firefox looks for native-messaging hosts under the home folder: its profile stands in for it.
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, HOME: options.profile } },
  );
  const url = await new Promise<string>((resolve, reject) => {
    let output = "";
    browser.stderr.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const found = announcement.exec(output)?.[1];
      if (found) resolve(found);
    });
    browser.once("error", reject);
    browser.once("exit", () => reject(new Error("Firefox ended before it was ready.")));
  });
  const ask = await connect(`${url}/session`);
  await ask("session.new", { capabilities: {} });
  await ask("webExtension.install", { extensionData: { type: "path", path: options.extension } });
  const { contexts } = z
    .object({ contexts: z.array(z.object({ context: z.string() })).min(1) })
    .parse(await ask("browsingContext.getTree", {}));
  await ask("browsingContext.navigate", { context: contexts[0]?.context, url: options.page, wait: "none" });
  return browser;
}

async function connect(url: string): Promise<(method: string, params: object) => Promise<object>> {
  const socket = new WebSocket(url);
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error(`Firefox did not answer at ${url}.`)));
  });
  let next = 1;
  return (method, params) =>
    new Promise((resolve, reject) => {
      const id = next++;
      const listen = (event: MessageEvent) => {
        const reply = replySchema.parse(JSON.parse(String(event.data)));
        if (reply.type === "event" || reply.id !== id) return;
        socket.removeEventListener("message", listen);
        if (reply.type === "error") reject(new Error(reply.message));
        else resolve(reply.result);
      };
      socket.addEventListener("message", listen);
      socket.send(JSON.stringify({ id, method, params }));
    });
}
