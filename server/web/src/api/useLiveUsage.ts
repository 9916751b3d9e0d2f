import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { movingQueries, summaryQuery } from "./queries.ts";
import { api } from "./trpc.ts";

/** How the live figures come: on their way, arriving, or cut off and asked for again. */
export interface LiveUsage {
  readonly link: "opening" | "live" | "lost";
  /** Null until the first figure has come. */
  readonly openConnections: number | null;
}

/** What moves with the bytes is asked for again at most this often. */
const REFRESH_MS = 1_500;

/** Follows the account's usage: each figure goes into the cache, and what moves with it is asked for again. */
export function useLiveUsage(): LiveUsage {
  const client = useQueryClient();
  const [live, setLive] = useState<LiveUsage>({ link: "opening", openConnections: null });
  useEffect(() => {
    const refresh = paced(REFRESH_MS, () => {
      for (const queryKey of movingQueries) void client.invalidateQueries({ queryKey });
    });
    const subscription = api.usage.live.subscribe(undefined, {
      onData({ openConnections, month, balance }) {
        client.setQueryData(summaryQuery.queryKey, { month, balance });
        setLive({ link: "live", openConnections });
        refresh.ask();
      },
      onConnectionStateChange({ state, error }) {
        if (state === "connecting" && error) setLive((last) => ({ ...last, link: "lost" }));
      },
      onError: () => setLive((last) => ({ ...last, link: "lost" })),
    });
    return () => {
      subscription.unsubscribe();
      refresh.stop();
    };
  }, [client]);
  return live;
}

/** Runs an action at once, and while it is asked for again and again, once in each interval. */
function paced(intervalMs: number, action: () => void) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wanted = false;
  function run(): void {
    wanted = false;
    action();
    timer = setTimeout(() => {
      timer = undefined;
      if (wanted) run();
    }, intervalMs);
  }
  return {
    ask() {
      if (timer === undefined) run();
      else wanted = true;
    },
    stop: () => clearTimeout(timer),
  };
}
