import { useState } from "react";
import { Link } from "react-router";
import type { UsageRange } from "../../api/queries.ts";
import { type LiveUsage, useLiveUsage } from "../../api/useLiveUsage.ts";
import { ExitsUsed } from "./ExitsUsed.tsx";
import { OpenConnections } from "./OpenConnections.tsx";
import { PasswordHint } from "./PasswordHint.tsx";
import { Stats } from "./Stats.tsx";
import { Usage } from "./Usage.tsx";
import { UseAnywhere } from "./UseAnywhere.tsx";

/** What was used, what is open, and how to use it elsewhere, live. */
export default function Dashboard() {
  const live = useLiveUsage();
  const [range, setRange] = useState<UsageRange>("week");
  return (
    <>
      <title>Dashboard · Atlantic Proxy</title>
      <div className="flex flex-wrap items-center gap-2.5">
        <h1 className="flex-auto">Dashboard</h1>
        <LivePill live={live} />
        <Link to="/credentials" className="button primary">
          New credential
        </Link>
      </div>
      <PasswordHint />
      <Stats />
      <div className="two">
        <Usage range={range} onPick={setRange} />
        <ExitsUsed range={range} />
      </div>
      <UseAnywhere />
      <OpenConnections />
    </>
  );
}

function LivePill({ live }: { readonly live: LiveUsage }) {
  const { tone, words } = pillOf(live);
  return (
    <span className={`pill ${tone}`} role="status">
      {words}
    </span>
  );
}

function pillOf({ link, openConnections }: LiveUsage): { readonly tone: string; readonly words: string } {
  if (link === "lost") return { tone: "attention", words: "Not live: asking the server again" };
  if (openConnections === null) return { tone: "direct", words: "Connecting" };
  if (openConnections === 0) return { tone: "direct", words: "No connection open" };
  const words = openConnections === 1 ? "1 connection open" : `${openConnections} connections open`;
  return { tone: "on", words };
}
