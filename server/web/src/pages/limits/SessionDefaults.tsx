import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { sessionSettingsQuery } from "../../api/queries.ts";
import { api } from "../../api/trpc.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { PendingRows } from "../../parts/PendingRows.tsx";
import { SaveRow } from "../../parts/SaveRow.tsx";
import { Segmented } from "../../parts/Segmented.tsx";
import { TextField } from "../../parts/TextField.tsx";

type Settings = Awaited<ReturnType<typeof api.sessions.getSettings.query>>;

const modes = [
  { value: "flex", text: "Flex" },
  { value: "strict", text: "Strict" },
  { value: "oneip", text: "One address" },
] as const;

const meanings: Readonly<Record<Settings["mode"], string>> = {
  flex: "When its address is lost, the session goes on with another one.",
  strict: "When its address is lost, connections fail until the lifetime is over.",
  oneip: "When its address is lost, connections fail: the session never gets another.",
};

/** The session of clients whose user name asks for none. */
export function SessionDefaults() {
  const settings = useQuery(sessionSettingsQuery);
  return (
    <section className="panel" aria-labelledby="session">
      <h2 id="session">Sticky by default</h2>
      <p className="muted mt-1">
        For user names without <span className="mono">sid</span>: the same address for every connection of a
        credential, or another one each time.
      </p>
      {settings.isError && <FailureNotice error={settings.error} onRetry={() => settings.refetch()} />}
      {settings.isPending && <PendingRows rows={2} />}
      {settings.data && <Fields settings={settings.data} />}
    </section>
  );
}

function Fields({ settings }: { readonly settings: Settings }) {
  const client = useQueryClient();
  const [kept, setKept] = useState(settings);
  const [wanted, setWanted] = useState({ ...settings, minutes: String(settings.minutes) });
  const [fault, setFault] = useState<string>();
  const saving = useMutation({
    mutationFn: (given: Settings) => api.sessions.setSettings.mutate(given),
    onSuccess: (stored) => {
      setKept(stored);
      client.setQueryData(sessionSettingsQuery.queryKey, stored);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const minutes = /^\d+$/.test(wanted.minutes.trim()) ? Number(wanted.minutes) : 0;
    const fits = minutes >= 1 && minutes <= 1_440;
    setFault(fits ? undefined : "Write a whole number from 1 to 1440.");
    if (fits) saving.mutate({ ...wanted, minutes });
  };
  const changed = JSON.stringify(wanted) !== JSON.stringify({ ...kept, minutes: String(kept.minutes) });
  return (
    <form className="mt-3 grid gap-3" noValidate onSubmit={submit}>
      <label className="row">
        <input
          type="checkbox"
          checked={wanted.enabled}
          onChange={({ target }) => setWanted({ ...wanted, enabled: target.checked })}
        />
        Keep the same address
      </label>
      {wanted.enabled && (
        <div className="grid items-start gap-x-4 gap-y-3 sm:grid-cols-[10rem_minmax(0,24rem)]">
          <TextField
            label="For so many minutes"
            inputMode="numeric"
            fault={fault}
            value={wanted.minutes}
            onChange={({ target }) => setWanted({ ...wanted, minutes: target.value })}
          />
          <div className="field">
            <span className="font-[550]">When the address is lost</span>
            <Segmented
              name="mode"
              label="When the address is lost"
              options={modes}
              value={wanted.mode}
              onPick={(mode) => setWanted({ ...wanted, mode })}
            />
            <p className="faint text-xs">{meanings[wanted.mode]}</p>
          </div>
        </div>
      )}
      <SaveRow saving={saving} changed={changed} />
    </form>
  );
}
