import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { credentialsQuery } from "../../api/queries.ts";
import { CopyButton } from "../../parts/CopyButton.tsx";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { PendingRows } from "../../parts/PendingRows.tsx";
import { CustomHeaders } from "../limits/CustomHeaders.tsx";
import { LimitsForm } from "../limits/LimitsForm.tsx";
import { Receipts } from "./Receipts.tsx";
import { SignInWays } from "./SignInWays.tsx";

/** One credential: how it is shown, what holds for it, and what it carried. */
export default function Credential() {
  const { id } = useParams();
  const credentials = useQuery(credentialsQuery);
  const credential = credentials.data?.credentials.find((one) => one.id === id);
  if (credentials.isError)
    return <FailureNotice error={credentials.error} onRetry={() => credentials.refetch()} />;
  if (credentials.isPending) return <PendingRows rows={4} />;
  if (credential === undefined || credential.revokedAt !== null) {
    return (
      <>
        <h1>No such credential</h1>
        <p className="muted">
          {credential
            ? "It was revoked, and has nothing to set any more. "
            : "This account has none of that name. "}
          <Link to="/credentials">All credentials</Link>
        </p>
      </>
    );
  }
  return (
    <>
      <title>{`${credential.label} · Atlantic Proxy`}</title>
      <div>
        <h1 className="clip">{credential.label}</h1>
        <p className="muted mt-1">
          <span className="mono">{credential.username}</span>{" "}
          <CopyButton text={credential.username} what={`the user name of ${credential.label}`} />{" "}
          <Link to={`/user-names?username=${credential.username}`}>What can be added to it</Link>
        </p>
      </div>
      <SignInWays key={`ways ${credential.id}`} credentialId={credential.id} />
      <LimitsForm key={`limits ${credential.id}`} credentialId={credential.id} />
      <Receipts credentialId={credential.id} />
      <CustomHeaders key={`headers ${credential.id}`} credentialId={credential.id} />
    </>
  );
}
