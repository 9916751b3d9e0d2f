import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { endOtherSessions, endSession, listSessions, type SignedIn } from "../../api/auth.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { formatDayAndTime } from "../../parts/moments.ts";
import { PendingRows } from "../../parts/PendingRows.tsx";
import { nameOfBrowser } from "./nameOfBrowser.ts";

/** The browsers that are signed in. */
export const sessionsQuery = queryOptions({ queryKey: ["sessions"], queryFn: listSessions });

/** The browsers that are signed in, and the ways to sign them out. */
export function Sessions() {
  const sessions = useQuery(sessionsQuery);
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: sessionsQuery.queryKey });
  const ending = useMutation({ mutationFn: endSession, onSettled: refresh });
  const endingOthers = useMutation({ mutationFn: endOtherSessions, onSettled: refresh });
  const error = ending.error ?? endingOthers.error;
  return (
    <section className="panel" aria-labelledby="sessions">
      <div className="row min-h-8">
        <h2 id="sessions" className="grow">
          Signed in
        </h2>
        {sessions.data && sessions.data.length > 1 && (
          <button
            type="button"
            className="button"
            disabled={endingOthers.isPending}
            onClick={() => endingOthers.mutate()}
          >
            Sign out everywhere else
          </button>
        )}
      </div>
      {error && <FailureNotice error={error} />}
      {sessions.isError && !sessions.data && (
        <FailureNotice error={sessions.error} onRetry={() => sessions.refetch()} />
      )}
      {sessions.isPending && <PendingRows rows={1} />}
      <ul className="mt-2">
        {sessions.data?.map((session) => (
          <Session
            key={session.id}
            session={session}
            busy={ending.isPending}
            onEnd={() => ending.mutate(session.token)}
          />
        ))}
      </ul>
    </section>
  );
}

interface SessionProps {
  readonly session: SignedIn;
  readonly busy: boolean;
  readonly onEnd: () => void;
}

function Session({ session, busy, onEnd }: SessionProps) {
  const name = nameOfBrowser(session.userAgent ?? "");
  return (
    <li className="flex min-h-10 flex-wrap items-center gap-x-3 border-t border-(--line) py-1.5 first:border-t-0">
      <span className="flex-auto">
        {name} {session.current && <span className="tag">this browser</span>}
      </span>
      {session.ipAddress && <span className="mono muted">{session.ipAddress}</span>}
      <span className="faint">since {formatDayAndTime(Date.parse(session.createdAt))}</span>
      {!session.current && (
        <button
          type="button"
          className="button quiet danger"
          disabled={busy}
          aria-label={`Sign out ${name}`}
          onClick={onEnd}
        >
          Sign out
        </button>
      )}
    </li>
  );
}
