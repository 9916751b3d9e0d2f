import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import * as z from "zod/mini";
import { changePassword } from "../../api/auth.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { TextField } from "../../parts/TextField.tsx";
import { NEW_PASSWORD_HINT, newPasswordSchema } from "../newPassword.ts";
import { AccountName } from "./AccountName.tsx";
import { sessionsQuery } from "./Sessions.tsx";

const schema = z.object({
  currentPassword: z.string().check(z.minLength(1, "Write the password that you have.")),
  newPassword: newPasswordSchema,
  revokeOtherSessions: z.boolean(),
});
const EMPTY = { currentPassword: "", newPassword: "", revokeOtherSessions: true };

/** Changes the password, for somebody who knows the one there is. */
export function ChangePassword({ email }: { readonly email: string }) {
  const client = useQueryClient();
  const form = useForm({ resolver: zodResolver(schema), defaultValues: EMPTY });
  const changing = useMutation({
    mutationFn: changePassword,
    onSuccess: async () => {
      form.reset(EMPTY);
      await client.invalidateQueries({ queryKey: sessionsQuery.queryKey });
    },
  });
  const { errors } = form.formState;
  return (
    <form
      className="mt-2 grid max-w-md gap-2"
      noValidate
      onSubmit={form.handleSubmit((change) => changing.mutate(change))}
    >
      {changing.isError && <FailureNotice error={changing.error} />}
      <AccountName email={email} />
      <TextField
        label="Current password"
        type="password"
        autoComplete="current-password"
        fault={errors.currentPassword?.message}
        {...form.register("currentPassword")}
      />
      <TextField
        label="New password"
        type="password"
        autoComplete="new-password"
        hint={NEW_PASSWORD_HINT}
        fault={errors.newPassword?.message}
        {...form.register("newPassword")}
      />
      <label className="flex items-center gap-2">
        <input type="checkbox" {...form.register("revokeOtherSessions")} />
        Sign out everywhere else
      </label>
      <div className="flex flex-wrap items-center gap-3">
        <button type="submit" className="button primary" disabled={changing.isPending}>
          {changing.isPending ? "Changing…" : "Change password"}
        </button>
        <span className="muted" aria-live="polite">
          {changing.isSuccess && !form.formState.isDirty && "Changed. Sign in with it from now on."}
        </span>
      </div>
    </form>
  );
}
