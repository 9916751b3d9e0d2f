import { useQuery } from "@tanstack/react-query";
import { accountQuery } from "../../api/queries.ts";
import { ChangePassword } from "./ChangePassword.tsx";
import { SetPassword } from "./SetPassword.tsx";

/** The password of the account: its first one, or another. */
export function Password() {
  const { data: account } = useQuery(accountQuery);
  return (
    <section className="panel" aria-labelledby="password">
      <h2 id="password">Password</h2>
      {account === undefined ? (
        <div className="pending mt-2 h-24" />
      ) : account.hasPassword ? (
        <ChangePassword email={account.email} />
      ) : (
        <SetPassword email={account.email} />
      )}
    </section>
  );
}
