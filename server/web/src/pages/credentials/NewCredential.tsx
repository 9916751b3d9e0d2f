import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import * as z from "zod/mini";
import { credentialsQuery } from "../../api/queries.ts";
import { api } from "../../api/trpc.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { TextField } from "../../parts/TextField.tsx";
import type { Issued } from "./IssuedPassword.tsx";

const labelSchema = z.object({
  label: z
    .string()
    .check(
      z.trim(),
      z.minLength(1, "Write what it is for."),
      z.maxLength(100, "Use at most 100 characters."),
    ),
});

/** Issues a credential. */
export function NewCredential({ onIssued }: { readonly onIssued: (issued: Issued) => void }) {
  const client = useQueryClient();
  const form = useForm({ resolver: zodResolver(labelSchema), defaultValues: { label: "" } });
  const creating = useMutation({
    mutationFn: (wanted: { label: string }) => api.credentials.create.mutate(wanted),
    onSuccess: async (issued) => {
      form.reset();
      onIssued({ ...issued, because: "created" });
      await client.invalidateQueries({ queryKey: credentialsQuery.queryKey });
    },
  });
  return (
    <section className="panel" aria-labelledby="new">
      <h2 id="new">New credential</h2>
      <form
        className="mt-2 grid items-start gap-x-3 gap-y-2 sm:grid-cols-[minmax(0,24rem)_auto]"
        noValidate
        onSubmit={form.handleSubmit((wanted) => creating.mutate(wanted))}
      >
        <TextField
          label="What it is for"
          hint="A name for you, as in “price checker” or “laptop”."
          autoComplete="off"
          fault={form.formState.errors.label?.message}
          {...form.register("label")}
        />
        <button
          type="submit"
          className="button primary justify-self-start sm:mt-[25px] sm:h-[34px]"
          disabled={creating.isPending}
        >
          {creating.isPending ? "Creating…" : "Create credential"}
        </button>
      </form>
      {creating.isError && <FailureNotice error={creating.error} />}
    </section>
  );
}
