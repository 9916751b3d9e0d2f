import { useQuery } from "@tanstack/react-query";
import { Navigate, Outlet, useLocation } from "react-router";
import { isSignedOut } from "../api/failure.ts";
import { accountQuery } from "../api/queries.ts";
import { FailureNotice } from "../parts/FailureNotice.tsx";

/** Lets the signed-in through, and leads everybody else to the sign-in page and back. */
export function RequireAccount() {
  const account = useQuery(accountQuery);
  const here = useLocation();
  if (isSignedOut(account.error)) {
    const next = here.pathname === "/" ? "" : `?next=${encodeURIComponent(here.pathname)}`;
    return <Navigate to={`/sign-in${next}`} replace state={{ ended: account.data !== undefined }} />;
  }
  if (account.isError && account.data === undefined) {
    return (
      <main className="gate">
        <h1>Atlantic</h1>
        <FailureNotice error={account.error} onRetry={() => account.refetch()} />
      </main>
    );
  }
  return <Outlet />;
}
