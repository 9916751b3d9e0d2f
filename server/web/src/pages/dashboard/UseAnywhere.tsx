import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { recipeQuery } from "../../api/queries.ts";
import { CopyLine } from "../../parts/CopyLine.tsx";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { Segmented } from "../../parts/Segmented.tsx";

const protocols = [
  { value: "http", text: "HTTP" },
  { value: "socks5", text: "SOCKS5" },
] as const;

/** The line that uses the account from any program. */
export function UseAnywhere() {
  const recipe = useQuery(recipeQuery);
  const [protocol, setProtocol] = useState<"http" | "socks5">("http");
  return (
    <section className="panel" aria-labelledby="anywhere">
      <div className="flex flex-wrap items-center gap-2.5">
        <h2 id="anywhere" className="flex-auto">
          Use it anywhere
        </h2>
        <div className="w-44">
          <Segmented
            name="protocol"
            label="Protocol"
            options={protocols}
            value={protocol}
            onPick={setProtocol}
          />
        </div>
      </div>
      <p className="muted mt-1.5">
        Any program that speaks HTTP or SOCKS5 proxies works with your credential. The{" "}
        <Link to="/exits">name chooses the exit</Link>; put the password of your credential in place of ••••.
      </p>
      {recipe.isError && recipe.data === undefined && (
        <FailureNotice error={recipe.error} onRetry={() => recipe.refetch()} />
      )}
      {recipe.data === null ? (
        <p className="mt-3">
          There is no credential yet. <Link to="/credentials">Create one</Link>, and its lines stand here.
        </p>
      ) : recipe.data ? (
        <CopyLine
          name={protocol === "http" ? "curl through the HTTP proxy" : "curl through SOCKS5"}
          text={protocol === "http" ? recipe.data.curlHttp : recipe.data.curlSocks5}
        />
      ) : (
        !recipe.isError && <div className="pending mt-7 h-10" />
      )}
    </section>
  );
}
