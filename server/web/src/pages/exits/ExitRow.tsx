import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { Link } from "react-router";
import { api } from "../../api/trpc.ts";
import { CopyLine } from "../../parts/CopyLine.tsx";
import { FailureNotice } from "../../parts/FailureNotice.tsx";

type Exit = Awaited<ReturnType<typeof api.exits.list.query>>["exits"][number];

interface ExitRowProps {
  readonly exit: Exit;
  /** The credential that the user name is made with; null when the account has none. */
  readonly credentialId: string | null;
}

const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });

/** An exit, and, when it is opened, how to use it. */
export function ExitRow({ exit, credentialId }: ExitRowProps) {
  const [open, setOpen] = useState(false);
  const panel = useId();
  return (
    <li className="border-t border-(--line) py-1.5 first:border-t-0">
      <div className="flex min-h-8 flex-wrap items-center gap-x-3 gap-y-0.5">
        <span className={exit.exit.country ? "code" : "code plain"} aria-hidden="true">
          {exit.exit.country?.toUpperCase() ?? "··"}
        </span>
        <span className="grow clip min-w-40">{exit.label}</span>
        {exit.demonstration ? (
          <span className="tag">demonstration</span>
        ) : (
          <span className="muted">{exit.network}</span>
        )}
        <span className="faint n min-w-16">
          {exit.latencyMs === null ? "not timed" : `${Math.round(exit.latencyMs)} ms`}
        </span>
        {exit.uptime !== null && <span className="faint n">{percent.format(exit.uptime)} up</span>}
        <button
          type="button"
          className="button quiet"
          aria-expanded={open}
          aria-controls={panel}
          aria-label={`Use ${exit.label}`}
          onClick={() => setOpen(!open)}
        >
          {open ? "Close" : "Use"}
        </button>
      </div>
      <div id={panel} hidden={!open} className="pb-2 sm:pl-10">
        {open &&
          (credentialId === null ? (
            <p className="muted">
              A credential comes first. <Link to="/credentials">Create one</Link>, then its user name for this
              exit stands here.
            </p>
          ) : (
            <Recipe exit={exit} credentialId={credentialId} />
          ))}
      </div>
    </li>
  );
}

function Recipe({ exit, credentialId }: { readonly exit: Exit; readonly credentialId: string }) {
  const recipe = useQuery({
    queryKey: ["credentials", "recipe", credentialId, exit.id],
    queryFn: () => api.proxy.connect.mutate({ exit: exit.exit, credentialId }),
  });
  if (recipe.isError) return <FailureNotice error={recipe.error} onRetry={() => recipe.refetch()} />;
  if (!recipe.data) return <div className="min-h-56" aria-busy="true" />;
  return (
    <>
      <CopyLine name="User name for this exit" text={recipe.data.username} />
      <CopyLine name="curl through the HTTP proxy" text={recipe.data.curlHttp} />
      <CopyLine name="curl through SOCKS5" text={recipe.data.curlSocks5} />
      <p className="muted mt-2 text-xs">
        Put the password of your credential in place of ••••. The credential is shown on the page{" "}
        <Link to="/credentials">Credentials</Link>.
      </p>
    </>
  );
}
