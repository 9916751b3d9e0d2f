import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { accountQuery } from "../../api/queries.ts";

const DISMISSED = "atlantic.password-hint-dismissed";

/** Says to somebody who came by a one-time link that a password can be set, until it is set or they say no. */
export function PasswordHint() {
  const account = useQuery(accountQuery);
  const [dismissed, setDismissed] = useState(() => localStorage.getItem(DISMISSED) !== null);
  if (dismissed || account.data?.hasPassword !== false) return null;
  const dismiss = () => {
    localStorage.setItem(DISMISSED, "1");
    setDismissed(true);
  };
  return (
    <aside className="panel flex flex-wrap items-center gap-2.5" aria-label="No password yet">
      <p className="muted min-w-0 flex-auto basis-60">
        You came by a link that works once. <Link to="/account">Set a password</Link> to sign in again without
        a new one.
      </p>
      <button type="button" className="button quiet" onClick={dismiss}>
        Not now
      </button>
    </aside>
  );
}
