import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { api } from "../../api/trpc.ts";
import { CopyLine } from "../../parts/CopyLine.tsx";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { withPassword } from "./withPassword.ts";

/** A credential with its password, which is in this page's memory alone. */
export interface Issued {
  readonly credential: { readonly id: string; readonly username: string; readonly label: string };
  readonly password: string;
  readonly because: "created" | "rotated";
}

interface IssuedPasswordProps {
  readonly issued: Issued;
  readonly onDone: () => void;
}

/** Shows a new password, once, with the lines that use it. */
export function IssuedPassword({ issued, onDone }: IssuedPasswordProps) {
  const { credential, password } = issued;
  const section = useRef<HTMLElement>(null);
  useEffect(() => section.current?.focus(), []);
  const recipe = useQuery({
    queryKey: ["credentials", "recipe", credential.id],
    queryFn: () => api.proxy.connect.mutate({ exit: {}, credentialId: credential.id }),
  });
  return (
    <section
      ref={section}
      tabIndex={-1}
      className="panel border-(--accent)"
      aria-labelledby="issued"
      data-testid="issued"
    >
      <div className="flex flex-wrap items-center gap-2.5">
        <h2 id="issued" className="flex-auto">
          The password of “{credential.label}”
        </h2>
        <button type="button" className="button" onClick={onDone}>
          I have copied it
        </button>
      </div>
      <p className="muted mt-1.5">
        {issued.because === "rotated" && "The old password has stopped working. "}
        It is shown now and never again: the server keeps only a fingerprint of it. Rotate the credential if
        it is lost.
      </p>
      <div className="mt-2 grid gap-2">
        <div className="grid gap-x-4 gap-y-2 md:grid-cols-2">
          <CopyLine name="User name" text={credential.username} />
          <CopyLine name="Password" text={password} />
        </div>
        {recipe.isError && <FailureNotice error={recipe.error} onRetry={() => recipe.refetch()} />}
        {recipe.data ? (
          <>
            <CopyLine
              name="curl through the HTTP proxy"
              text={withPassword(recipe.data.curlHttp, password)}
            />
            <CopyLine name="curl through SOCKS5" text={withPassword(recipe.data.curlSocks5, password)} />
          </>
        ) : (
          <div className="min-h-36" />
        )}
      </div>
    </section>
  );
}
