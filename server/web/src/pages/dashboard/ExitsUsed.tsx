import { formatBytes, formatExactBytes } from "@atlantic/shared/look/bytes.ts";
import { useQuery } from "@tanstack/react-query";
import { byExitQuery, exitsQuery, type UsageRange } from "../../api/queries.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { PendingRows } from "../../parts/PendingRows.tsx";

const titles: Readonly<Record<UsageRange, string>> = {
  day: "Exits in the last 24 hours",
  week: "Exits in the last 7 days",
  month: "Exits in the last 30 days",
};

/** How much left from where. */
export function ExitsUsed({ range }: { readonly range: UsageRange }) {
  const used = useQuery(byExitQuery(range));
  const known = useQuery(exitsQuery);
  const demonstrated = new Set(
    known.data?.exits.filter(({ demonstration }) => demonstration).map(({ exit }) => exit.country),
  );
  return (
    <section className="panel" aria-labelledby="exits-used">
      <h2 id="exits-used">{titles[range]}</h2>
      {used.isError && !used.data && <FailureNotice error={used.error} onRetry={() => used.refetch()} />}
      {used.isPending && <PendingRows rows={4} />}
      {used.data?.exits.length === 0 && (
        <p className="muted mt-3">
          Nothing left through an exit yet. The line below sends the first request.
        </p>
      )}
      <ul className="mt-2">
        {used.data?.exits.map(({ country, label, sentBytes, receivedBytes, requests }) => {
          const total = BigInt(sentBytes) + BigInt(receivedBytes);
          return (
            <li
              key={country ?? "none"}
              className="row min-h-10 flex-wrap border-t border-(--line) first:border-t-0"
            >
              <span className={country ? "code" : "code plain"} aria-hidden="true">
                {country?.toUpperCase() ?? "–"}
              </span>
              <span className="grow clip max-sm:min-w-24">{label}</span>
              {country && demonstrated.has(country) && <span className="tag">demonstration</span>}
              <span className="n" title={`${formatExactBytes(total)}, ${requests} requests`}>
                {formatBytes(total)}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
