import { formatBytes, formatExactBytes } from "@atlantic/shared/look/bytes.ts";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { openConnectionsQuery } from "../../api/queries.ts";
import { api } from "../../api/trpc.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { formatMoment } from "../../parts/moments.ts";
import { PendingRows } from "../../parts/PendingRows.tsx";

type Connection = Awaited<ReturnType<typeof api.connections.list.query>>["connections"][number];

/** What is connected now, with what it has carried. */
export function OpenConnections() {
  const open = useQuery(openConnectionsQuery);
  const connections = open.data?.connections ?? [];
  return (
    <section className="panel" aria-labelledby="open">
      <h2 id="open">Open connections</h2>
      {open.isError && !open.data && <FailureNotice error={open.error} onRetry={() => open.refetch()} />}
      {open.isPending && <PendingRows rows={2} />}
      {open.data && connections.length === 0 && (
        <p className="muted mt-3">Nothing is connected now. Connections appear here while they are open.</p>
      )}
      {connections.length > 0 && <ConnectionTable connections={connections} />}
      {open.data?.next && <p className="faint mt-2">The newest {connections.length} are shown.</p>}
    </section>
  );
}

function ConnectionTable({ connections }: { readonly connections: readonly Connection[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section className="wide" aria-label="Open connections, table" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Opened</th>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col">Exit</th>
            <th scope="col">Credential</th>
            <th scope="col" className="n">
              Sent
            </th>
            <th scope="col" className="n">
              Received
            </th>
            <th>
              <span className="unseen">End</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {connections.map((connection) => (
            <ConnectionRow key={connection.id} connection={connection} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function ConnectionRow({ connection }: { readonly connection: Connection }) {
  const client = useQueryClient();
  const ending = useMutation({
    mutationFn: () => api.proxy.disconnect.mutate({ connectionId: connection.id }),
    onSettled: () => client.invalidateQueries({ queryKey: openConnectionsQuery.queryKey }),
  });
  const sent = BigInt(connection.sentBytes);
  const received = BigInt(connection.receivedBytes);
  return (
    <tr>
      <td className="whitespace-nowrap">{formatMoment(connection.openedAt, Date.now())}</td>
      <td className="whitespace-nowrap">
        {connection.client} <span className="faint">{connection.protocol}</span>
      </td>
      <td className="mono max-w-56 clip" title={connection.target}>
        {connection.target}
      </td>
      <td className="whitespace-nowrap">
        {connection.exitLabel ?? <span className="faint">choosing</span>}{" "}
        {connection.exitAddress && <span className="faint mono">{connection.exitAddress}</span>}
      </td>
      <td className="max-w-40 clip">{connection.credentialLabel}</td>
      <td className="n" title={formatExactBytes(sent)}>
        {formatBytes(sent)}
      </td>
      <td className="n" title={formatExactBytes(received)}>
        {formatBytes(received)}
      </td>
      <td className="n">
        <button
          type="button"
          className="button quiet"
          disabled={ending.isPending}
          aria-label={`End the connection to ${connection.target}`}
          onClick={() => ending.mutate()}
        >
          End
        </button>
      </td>
    </tr>
  );
}
