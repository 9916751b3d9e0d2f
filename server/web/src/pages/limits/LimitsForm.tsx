import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { sentenceOf } from "../../api/failure.ts";
import { limitsQuery } from "../../api/queries.ts";
import { api } from "../../api/trpc.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { PendingRows } from "../../parts/PendingRows.tsx";
import { SaveRow } from "../../parts/SaveRow.tsx";
import { TextArea } from "../../parts/TextArea.tsx";
import { TextField } from "../../parts/TextField.tsx";
import {
  faultsOf,
  type Limits,
  type LimitsFaults,
  type LimitsText,
  limitsAsText,
  limitsOfText,
} from "./limitsText.ts";

/** How much, how fast and where to. null: the account's, for credentials that have nothing of their own. */
export function LimitsForm({ credentialId }: { readonly credentialId: string | null }) {
  const limits = useQuery(limitsQuery(credentialId));
  return (
    <section className="panel" aria-labelledby="limits">
      <h2 id="limits">
        {credentialId === null ? "Limits of every credential" : "Limits of this credential"}
      </h2>
      <p className="muted mt-1">
        {credentialId === null
          ? "They hold where a credential has nothing of its own. Empty is no limit."
          : "Empty is as the account has it; “unlimited” lifts the account's limit."}
      </p>
      {limits.isError && <FailureNotice error={limits.error} onRetry={() => limits.refetch()} />}
      {limits.isPending && <PendingRows rows={4} />}
      {limits.data && <Fields key={credentialId} limits={limits.data} />}
    </section>
  );
}

function Fields({ limits }: { readonly limits: Limits }) {
  const { credentialId } = limits;
  const client = useQueryClient();
  const [kept, setKept] = useState(() => limitsAsText(limits));
  const [text, setText] = useState(kept);
  const [faults, setFaults] = useState<LimitsFaults>({});
  const saving = useMutation({
    mutationFn: (wanted: Limits) => api.limits.set.mutate(wanted),
    onSuccess: (stored) => {
      const shown = limitsAsText(stored);
      setKept(shown);
      setText(shown);
      client.setQueryData(limitsQuery(credentialId).queryKey, stored);
    },
    onError: (error) => setFaults(faultsOf(sentenceOf(error))),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = limitsOfText(text, credentialId);
    setFaults("faults" in read ? read.faults : {});
    if ("limits" in read) saving.mutate(read.limits);
  };
  const field = (name: keyof LimitsText) => ({
    value: text[name],
    fault: faults[name],
    onChange: ({ target }: { target: { value: string } }) => setText({ ...text, [name]: target.value }),
  });
  const changed = JSON.stringify(text) !== JSON.stringify(kept);
  return (
    <form className="mt-3 grid gap-y-2" noValidate onSubmit={submit}>
      <div className="grid gap-x-4 gap-y-2 sm:grid-cols-3">
        <TextField label="Requests per second" hint="Tunnels count as one." {...field("requestsPerSecond")} />
        <TextField
          label="Megabytes per second"
          hint="10⁶ bytes, both directions together."
          {...field("megabytesPerSecond")}
        />
        <TextField label="Connections at once" hint="In one gateway process." {...field("connections")} />
      </div>
      <TextField
        label="Allowed ports"
        hint="As in 80, 443, 8000-8999. Empty: all but the mail ports, which stay closed."
        {...field("allowedPorts")}
      />
      <div className="grid items-start gap-x-4 gap-y-2 sm:grid-cols-2">
        <TextArea
          label="Allowed targets"
          hint="One a line: example.com, *.example.com, 198.51.100.0/24, example.com:443. Empty: all."
          {...field("allowedTargets")}
        />
        <TextArea
          label="Blocked targets"
          hint="Spelled the same; they win over what is allowed."
          {...field("blockedTargets")}
        />
      </div>
      <div>
        <SaveRow saving={saving} changed={changed} />
      </div>
    </form>
  );
}
