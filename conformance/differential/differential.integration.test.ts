import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { startOurs } from "../src/subjects/ours.ts";
import { peers } from "../src/subjects/peers.ts";
import { describeDifferential } from "./describe-differential.ts";
import { runDifferential } from "./run-differential.ts";

test.runIf(existsSync("/usr/sbin/squid"))(
  "the same requests through ours and through squid differ only where a rule says why",
  async () => {
    const ours = await startOurs();
    const squid = await peers.squid?.();
    if (squid === undefined) throw new Error("There is no squid among the peers.");
    try {
      const result = await runDifferential(ours, squid, { requests: 60, seed: 1 });
      expect(result.unexplained, describeDifferential(result)).toEqual([]);
    } finally {
      await squid.close();
      await ours.close();
    }
  },
);
