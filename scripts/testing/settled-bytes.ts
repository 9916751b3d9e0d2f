import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { Started } from "./start-product.ts";

/** The gateway writes its counters at most half a second after the bytes. */
const FLUSHED_MS = 700;

const usageSchema = z.object({
  month: z.object({ sentBytes: z.coerce.bigint(), receivedBytes: z.coerce.bigint() }),
});

/** What the API says that the account has used, once two readings with a flush between them agree on some bytes. */
export async function settledBytes(product: Started): Promise<bigint> {
  let last = await usedBytes(product);
  for (;;) {
    await delay(FLUSHED_MS);
    const now = await usedBytes(product);
    if (now === last && now > 0n) return now;
    last = now;
  }
}

async function usedBytes({ webUrl, credential }: Started): Promise<bigint> {
  const login = Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
  const response = await fetch(`${webUrl}/api/v1/usage`, { headers: { authorization: `Basic ${login}` } });
  if (!response.ok) throw new Error(`The API answered ${response.status}.`);
  const { month } = usageSchema.parse(await response.json());
  return month.sentBytes + month.receivedBytes;
}
