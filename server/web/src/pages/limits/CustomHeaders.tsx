import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { customHeadersQuery } from "../../api/queries.ts";
import { api } from "../../api/trpc.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { PendingRows } from "../../parts/PendingRows.tsx";
import { SaveRow } from "../../parts/SaveRow.tsx";

type Header = Awaited<ReturnType<typeof api.customHeaders.get.query>>["headers"][number];

/** The fields that plain HTTP requests get on their way. null: of every credential. */
export function CustomHeaders({ credentialId }: { readonly credentialId: string | null }) {
  const headers = useQuery(customHeadersQuery(credentialId));
  return (
    <section className="panel" aria-labelledby="headers">
      <h2 id="headers">Added header fields</h2>
      <p className="muted mt-1">
        Plain HTTP requests get them on their way to the site. What goes through a tunnel, as all HTTPS does,
        cannot be changed and is not.
      </p>
      {headers.isError && <FailureNotice error={headers.error} onRetry={() => headers.refetch()} />}
      {headers.isPending && <PendingRows rows={1} />}
      {headers.data && (
        <Fields key={credentialId} credentialId={credentialId} headers={headers.data.headers} />
      )}
    </section>
  );
}

interface FieldsProps {
  readonly credentialId: string | null;
  readonly headers: readonly Header[];
}

function Fields({ credentialId, headers }: FieldsProps) {
  const client = useQueryClient();
  const [kept, setKept] = useState(headers);
  const [wanted, setWanted] = useState(headers);
  const saving = useMutation({
    mutationFn: (given: readonly Header[]) =>
      api.customHeaders.set.mutate({ credentialId, headers: [...given] }),
    onSuccess: (stored) => {
      setKept(stored.headers);
      setWanted(stored.headers);
      client.setQueryData(customHeadersQuery(credentialId).queryKey, stored);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    saving.mutate(wanted.filter(({ name, value }) => name.trim() !== "" || value.trim() !== ""));
  };
  const change = (at: number, part: Partial<Header>) =>
    setWanted(wanted.map((header, index) => (index === at ? { ...header, ...part } : header)));
  return (
    <form className="mt-3 grid gap-2" noValidate onSubmit={submit}>
      {wanted.map((header, at) => (
        <div
          // biome-ignore lint/suspicious/noArrayIndexKey: rows are known by their place alone.
          key={at}
          className="grid grid-cols-[minmax(0,1fr)_auto] items-center gap-2 sm:grid-cols-[12rem_minmax(0,1fr)_auto_auto]"
        >
          <input
            className="input mono"
            aria-label={`Name of field ${at + 1}`}
            placeholder="Accept-Language"
            value={header.name}
            onChange={({ target }) => change(at, { name: target.value })}
          />
          <input
            className="input mono max-sm:order-last max-sm:col-span-2"
            aria-label={`Value of field ${at + 1}`}
            placeholder="de"
            value={header.value}
            onChange={({ target }) => change(at, { value: target.value })}
          />
          <label className="row max-sm:order-last">
            <input
              type="checkbox"
              checked={header.enabled}
              onChange={({ target }) => change(at, { enabled: target.checked })}
            />
            on
          </label>
          <button
            type="button"
            className="button quiet danger"
            aria-label={`Remove field ${at + 1}`}
            onClick={() => setWanted(wanted.filter((_, index) => index !== at))}
          >
            Remove
          </button>
        </div>
      ))}
      <div>
        <button
          type="button"
          className="button quiet"
          onClick={() => setWanted([...wanted, { name: "", value: "", enabled: true }])}
        >
          Add a field
        </button>
      </div>
      <SaveRow saving={saving} changed={JSON.stringify(wanted) !== JSON.stringify(kept)} />
    </form>
  );
}
