import { join } from "node:path";
import { z } from "zod";
import { expectHidden, expectSame, type Program, sites } from "./program.ts";

const { shop } = sites;
const client = join(import.meta.dirname, "udp-first-program.ts");

const fallbackSchema = z.object({
  refusal: z.string().nullable(),
  afterMs: z.number(),
  answer: z.string(),
});

export const udpFirst: Program = {
  name: "a client that tries UDP 443 first",
  targets: [`${shop.name}:443`],
  async use({ onMachine, authority }) {
    const printed = await onMachine([process.execPath, client, shop.name, authority]);
    const { refusal, afterMs, answer } = fallbackSchema.parse(JSON.parse(printed));
    expectSame("What UDP 443 was answered with", refusal, "ECONNREFUSED");
    expectHidden(answer, shop.name);
    return `refused by ICMP after ${afterMs.toFixed(1)} ms, then answered over TCP`;
  },
};
