import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "react-router";
import { signOut } from "../../api/auth.ts";
import { accountQuery } from "../../api/queries.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { formatDate } from "../../parts/moments.ts";
import { Password } from "./Password.tsx";
import { Sessions } from "./Sessions.tsx";

/** Who is signed in, and where. */
export default function Account() {
  const account = useQuery(accountQuery);
  const client = useQueryClient();
  const navigate = useNavigate();
  const signingOut = useMutation({
    mutationFn: signOut,
    onSuccess: async () => {
      await navigate("/sign-in", { replace: true });
      client.clear();
    },
  });
  return (
    <>
      <title>Account · Atlantic Proxy</title>
      <div className="row">
        <h1 className="grow">Account</h1>
        <button
          type="button"
          className="button"
          disabled={signingOut.isPending}
          onClick={() => signingOut.mutate()}
        >
          Sign out
        </button>
      </div>
      {signingOut.isError && <FailureNotice error={signingOut.error} />}
      <section className="panel" aria-labelledby="person">
        <h2 id="person">You</h2>
        <dl className="mt-2 grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 gap-y-1.5">
          <dt className="muted">Name</dt>
          <dd className="clip">{account.data?.name ?? <span className="pending">A name</span>}</dd>
          <dt className="muted">Email</dt>
          <dd className="clip">{account.data?.email ?? <span className="pending">name@example.org</span>}</dd>
          <dt className="muted">Since</dt>
          <dd>
            {account.data ? formatDate(account.data.createdAt) : <span className="pending">1 December</span>}
          </dd>
        </dl>
      </section>
      <Password />
      <Sessions />
    </>
  );
}
