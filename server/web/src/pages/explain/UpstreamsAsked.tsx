import type { ExplanationData } from "./Explanation.tsx";

type Upstream = ExplanationData["upstreams"][number];

/** Who would be asked for an exit, in this order, and in which words. */
export function UpstreamsAsked({ upstreams }: { readonly upstreams: readonly Upstream[] }) {
  return (
    <section className="panel" aria-labelledby="asked">
      <h2 id="asked">Who is asked, in this order</h2>
      {upstreams.length === 0 && <p className="muted mt-2">No upstream is set up on this server.</p>}
      <ol className="mt-1">
        {upstreams.map((upstream) => (
          <li key={upstream.name} className="border-t border-(--line) py-2 first:border-t-0">
            <div className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
              <span className="font-medium">{upstream.label}</span>
              {upstream.name !== upstream.label && <span className="faint mono">{upstream.name}</span>}
              {upstream.evidence === "community" && (
                <span className="tag">spelling from a community source</span>
              )}
              {upstream.refusal !== null && <span className="tag">not asked</span>}
            </div>
            {upstream.refusal !== null && <p className="muted">{upstream.refusal}</p>}
            {upstream.asked && <Asked of={upstream.asked} />}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Asked({
  of: { protocol, host, port, username, password },
}: {
  readonly of: NonNullable<Upstream["asked"]>;
}) {
  return (
    <p className="mono muted break-all">
      {protocol}://{username !== null && `${username}:${password ?? ""}@`}
      {host}:{port}
    </p>
  );
}
