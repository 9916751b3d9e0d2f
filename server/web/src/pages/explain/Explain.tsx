import { useQuery } from "@tanstack/react-query";
import { useDeferredValue } from "react";
import { useSearchParams } from "react-router";
import { credentialsQuery, explanationQuery } from "../../api/queries.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { PendingRows } from "../../parts/PendingRows.tsx";
import { TextField } from "../../parts/TextField.tsx";
import { Explanation } from "./Explanation.tsx";

/** What a proxy user name means, for people who write one. It stands in the address, so that it can be shown to others. */
export default function Explain() {
  const [search, setSearch] = useSearchParams();
  const credentials = useQuery(credentialsQuery);
  const written = search.get("username") ?? "";
  const username = useDeferredValue(written.trim());
  const explanation = useQuery(explanationQuery(username));
  const example = credentials.data?.credentials.find(({ revokedAt }) => revokedAt === null)?.username;
  return (
    <>
      <title>User names · Atlantic Proxy</title>
      <h1>What a user name means</h1>
      <section className="panel" aria-label="User name">
        <TextField
          label="Proxy user name"
          hint={`As a program would send it, without the password: ${example ?? "atl_xxxxxxxx"}-cc-de-sid-cart1-ttl-30`}
          className="mono"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={written}
          fault={undefined}
          onChange={({ target }) =>
            setSearch(target.value === "" ? {} : { username: target.value }, { replace: true })
          }
        />
        <p className="muted mt-1 text-xs">
          Keys: <span className="mono">cc</span> country, <span className="mono">st</span> region,{" "}
          <span className="mono">city</span>, <span className="mono">zip</span>,{" "}
          <span className="mono">asn</span> network, <span className="mono">isp</span> tier,{" "}
          <span className="mono">sid</span> session, <span className="mono">ttl</span> its minutes,{" "}
          <span className="mono">mode</span> what happens when its address is lost,{" "}
          <span className="mono">pool</span> one upstream. Oxylabs' spelling works as well.
        </p>
      </section>
      {username !== "" && explanation.isError && (
        <FailureNotice error={explanation.error} onRetry={() => explanation.refetch()} />
      )}
      {username !== "" && explanation.isPending && <PendingRows rows={4} />}
      {username !== "" && explanation.data && <Explanation of={explanation.data} text={username} />}
    </>
  );
}
