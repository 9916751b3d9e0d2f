import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import { credentialsQuery, exitsQuery } from "../../api/queries.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { PendingRows } from "../../parts/PendingRows.tsx";
import { ExitRow } from "./ExitRow.tsx";
import { searchExits } from "./searchExits.ts";

/** The places where traffic can leave, each with the user name that chooses it. */
export default function Exits() {
  const exits = useQuery(exitsQuery);
  const credentials = useQuery(credentialsQuery);
  const [query, setQuery] = useState("");
  const found = searchExits(exits.data?.exits ?? [], useDeferredValue(query));
  const live = credentials.data?.credentials.filter(({ revokedAt }) => revokedAt === null) ?? [];
  return (
    <>
      <title>Exits · Atlantic Proxy</title>
      <h1>Exits</h1>
      <div className="flex flex-wrap gap-3">
        <input
          className="input max-w-96"
          type="search"
          aria-label="Find an exit"
          placeholder="Country, city or network"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      </div>
      <section className="panel" aria-labelledby="found">
        <h2 id="found">
          <span aria-live="polite">
            {exits.data ? countOf(found.length, exits.data.exits.length) : "Exits"}
          </span>
        </h2>
        {exits.isError && <FailureNotice error={exits.error} onRetry={() => exits.refetch()} />}
        {exits.isPending && <PendingRows rows={3} />}
        {exits.data?.exits.length === 0 && (
          <p className="muted mt-3">
            No exit is set up on this server. Its configuration names the upstreams; the README shows how.
          </p>
        )}
        {exits.data && exits.data.exits.length > 0 && found.length === 0 && (
          <p className="muted mt-3">No exit matches “{query}”. Try a country, a city or a network.</p>
        )}
        <ul className="mt-2">
          {found.map((exit) => (
            <ExitRow key={exit.id} exit={exit} credentialId={live.at(-1)?.id ?? null} />
          ))}
        </ul>
      </section>
      {found.some(({ demonstration }) => demonstration) && (
        <p className="notice">
          Exits marked “demonstration” are addresses of this machine. They show how everything works without a
          provider, and hide nothing: only the demonstration's own site sees them, every other site sees this
          machine's own address.
        </p>
      )}
    </>
  );
}

function countOf(found: number, all: number): string {
  if (found < all) return `${found} of ${all} exits`;
  return all === 1 ? "1 exit" : `${all} exits`;
}
