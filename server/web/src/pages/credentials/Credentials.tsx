import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { credentialsQuery } from "../../api/queries.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { PendingRows } from "../../parts/PendingRows.tsx";
import { CredentialTable } from "./CredentialTable.tsx";
import { type Issued, IssuedPassword } from "./IssuedPassword.tsx";
import { NewCredential } from "./NewCredential.tsx";

/** The pairs that clients sign in with at the gateway. */
export default function Credentials() {
  const credentials = useQuery(credentialsQuery);
  const [issued, setIssued] = useState<Issued | null>(null);
  const list = credentials.data?.credentials;
  return (
    <>
      <title>Credentials · Atlantic Proxy</title>
      <h1>Credentials</h1>
      <NewCredential onIssued={setIssued} />
      {issued && <IssuedPassword key={issued.password} issued={issued} onDone={() => setIssued(null)} />}
      <section className="panel" aria-labelledby="credentials">
        <h2 id="credentials">Your credentials</h2>
        {credentials.isError && (
          <FailureNotice error={credentials.error} onRetry={() => credentials.refetch()} />
        )}
        {credentials.isPending && <PendingRows rows={3} />}
        {list?.length === 0 && (
          <p className="muted mt-3">
            None yet. A program signs in at the gateway with a credential of its own, so that it can be ended
            alone.
          </p>
        )}
        {list && list.length > 0 && <CredentialTable credentials={list} onIssued={setIssued} />}
      </section>
    </>
  );
}
