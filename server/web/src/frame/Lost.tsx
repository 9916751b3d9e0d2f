import { useQuery } from "@tanstack/react-query";
import { Outlet } from "react-router";
import { isSignedOut } from "../api/failure.ts";
import { accountQuery } from "../api/queries.ts";
import { Frame } from "./Frame.tsx";

/** Stands around an address that leads nowhere: a stranger is told so too, and not asked to sign in for it. */
export function Lost() {
  const account = useQuery(accountQuery);
  if (!isSignedOut(account.error)) return <Frame />;
  return (
    <main className="gate">
      <p className="font-semibold muted">Atlantic</p>
      <Outlet />
    </main>
  );
}
