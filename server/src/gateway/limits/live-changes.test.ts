import { pino } from "pino";
import { expect, it } from "vitest";
import type { Change } from "../../changes/change.ts";
import { CredentialLimits } from "./credential-limits.ts";
import { followChanges } from "./live-changes.ts";

it("what was decided in advance stands no more when word of a change comes, before anything is read again", async () => {
  const happened: string[] = [];
  let tell: (change: Change) => void = () => {};
  const stop = followChanges({
    changes: {
      onChange(listener) {
        tell = listener;
        return () => {};
      },
      onGap: () => () => {},
    },
    credentials: {
      suspect: () => happened.push("suspected"),
      known: () => [{ id: "a", userId: "one" }],
      reread() {
        happened.push("read again");
        return new Promise(() => {});
      },
      onEnded: () => () => {},
    },
    limits: new CredentialLimits({
      allowanceOf: () => {
        throw new Error("nobody asks");
      },
      countOpen: () => 0,
    }),
    gateway: {
      disconnect: () => false,
      disconnectCredential: () => 0,
      decideAnew: () => happened.push("withdrawn"),
      recheck: () => {},
      inUse: () => [],
    },
    logger: pino({ level: "silent" }),
  });
  tell({ kind: "settings", userId: "one", credentialId: null });
  expect(happened).toEqual(["suspected", "withdrawn", "read again"]);
  stop();
});
