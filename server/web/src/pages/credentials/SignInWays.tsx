import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { addressesQuery } from "../../api/queries.ts";
import { api } from "../../api/trpc.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { PendingRows } from "../../parts/PendingRows.tsx";
import { SaveRow } from "../../parts/SaveRow.tsx";
import { Segmented } from "../../parts/Segmented.tsx";
import { TextArea } from "../../parts/TextArea.tsx";

type Ways = Awaited<ReturnType<typeof api.addresses.get.query>>;

const methods = [
  { value: "password", text: "Password" },
  { value: "address", text: "Address" },
  { value: "password_and_address", text: "Both" },
] as const;

const meanings: Readonly<Record<Ways["method"], string>> = {
  password: "Clients show user name and password, from anywhere.",
  address:
    "Clients from these addresses need no password; whoever shares such an address can use the credential.",
  password_and_address: "Clients show user name and password, and only from these addresses.",
};

/** How clients show that a credential is theirs. */
export function SignInWays({ credentialId }: { readonly credentialId: string }) {
  const ways = useQuery(addressesQuery(credentialId));
  return (
    <section className="panel" aria-labelledby="ways">
      <h2 id="ways">How clients sign in</h2>
      {ways.isError && <FailureNotice error={ways.error} onRetry={() => ways.refetch()} />}
      {ways.isPending && <PendingRows rows={2} />}
      {ways.data && <Fields ways={ways.data} />}
    </section>
  );
}

function Fields({ ways }: { readonly ways: Ways }) {
  const { credentialId, yours } = ways;
  const client = useQueryClient();
  const [kept, setKept] = useState(() => textOf(ways));
  const [wanted, setWanted] = useState(kept);
  const saving = useMutation({
    mutationFn: ({ method, addresses }: ReturnType<typeof textOf>) =>
      api.addresses.set.mutate({
        credentialId,
        method,
        addresses: addresses.split(/[\s,]+/).filter((one) => one !== ""),
      }),
    onSuccess: (stored) => {
      setKept(textOf(stored));
      setWanted(textOf(stored));
      client.setQueryData(addressesQuery(credentialId).queryKey, { ...stored, yours });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    saving.mutate(wanted);
  };
  const addMine = (mine: string) =>
    setWanted({ ...wanted, addresses: [wanted.addresses.trim(), mine].filter(Boolean).join("\n") });
  return (
    <form className="mt-3 grid max-w-xl gap-3" noValidate onSubmit={submit}>
      <Segmented
        name="method"
        label="How clients sign in"
        options={methods}
        value={wanted.method}
        onPick={(method) => setWanted({ ...wanted, method })}
      />
      <p className="muted">{meanings[wanted.method]}</p>
      {wanted.method !== "password" && (
        <div>
          <TextArea
            label="Addresses"
            hint="One a line: 203.0.113.7 or 203.0.113.0/24, IPv6 alike."
            fault={undefined}
            value={wanted.addresses}
            onChange={({ target }) => setWanted({ ...wanted, addresses: target.value })}
          />
          {yours !== null && !wanted.addresses.includes(yours) && (
            <button type="button" className="button quiet" onClick={() => addMine(yours)}>
              Add this browser's: {yours}
            </button>
          )}
        </div>
      )}
      <SaveRow saving={saving} changed={JSON.stringify(wanted) !== JSON.stringify(kept)} />
    </form>
  );
}

function textOf({ method, addresses }: Pick<Ways, "method" | "addresses">) {
  return { method, addresses: addresses.join("\n") };
}
