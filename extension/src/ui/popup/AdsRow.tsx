import type { PageCommand, PopupModel } from "../../messages.ts";

interface AdsRowProps {
  readonly ads: NonNullable<PopupModel["ads"]>;
  readonly send: (command: PageCommand) => void;
}

/** What the switch cannot do. */
const LIMITS =
  "Ads and trackers are blocked by their addresses and names. Where the whole computer's names are filtered, those of other companies stay blocked on this site too.";

/** Whether ads are blocked on this site. */
export function AdsRow({ ads: { site, blocked }, send }: AdsRowProps) {
  return (
    <section className="fact row" aria-label="Ads on this site">
      <span className="grow clip" title={LIMITS}>
        {blocked ? "Ads are blocked" : "Ads are let through"}
        <span className="faint"> · {site}</span>
      </span>
      <button
        type="button"
        className="switch"
        role="switch"
        aria-checked={blocked}
        aria-label={`Block ads on ${site}`}
        onClick={() => send({ kind: "blockAds", site, on: !blocked })}
      />
    </section>
  );
}
