import { join } from "node:path";
import { z } from "zod";
import { expectSame, type Program, sites } from "./program.ts";

const { shop } = sites;
const client = join(import.meta.dirname, "chat-program.ts");

const chatSchema = z.object({ heard: z.number(), wrong: z.number(), longestMs: z.number() });

export const chat: Program = {
  name: "a WebSocket chat of three, over TLS and plain",
  targets: [`${shop.name}:80`, `${shop.name}:443`],
  async use({ onMachine, authority }) {
    const printed = await onMachine([process.execPath, client, shop.name, authority]);
    const { heard, wrong, longestMs } = chatSchema.parse(JSON.parse(printed));
    expectSame("Words heard out of turn", wrong, 0);
    return `${heard} words heard in order, the slowest after ${longestMs.toFixed(0)} ms`;
  },
};
