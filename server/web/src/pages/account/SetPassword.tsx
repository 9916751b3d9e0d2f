import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import * as z from "zod/mini";
import { setFirstPassword } from "../../api/auth.ts";
import { accountQuery } from "../../api/queries.ts";
import { FailureNotice } from "../../parts/FailureNotice.tsx";
import { TextField } from "../../parts/TextField.tsx";
import { NEW_PASSWORD_HINT, newPasswordSchema } from "../newPassword.ts";
import { AccountName } from "./AccountName.tsx";

const schema = z.object({ newPassword: newPasswordSchema });

/** Sets the first password of an account that came by a one-time link. */
export function SetPassword({ email }: { readonly email: string }) {
  const client = useQueryClient();
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { newPassword: "" } });
  const setting = useMutation({
    mutationFn: setFirstPassword,
    onSettled: () => client.invalidateQueries({ queryKey: accountQuery.queryKey }),
  });
  return (
    <form
      className="mt-2 grid max-w-md gap-2"
      noValidate
      onSubmit={form.handleSubmit(({ newPassword }) => setting.mutate(newPassword))}
    >
      <p className="muted">
        None is set: once signed out, and in any other browser, you need a new link from npm start. With a
        password you sign in as <strong className="break-words">{email}</strong>.
      </p>
      {setting.isError && <FailureNotice error={setting.error} />}
      <AccountName email={email} />
      <TextField
        label="New password"
        type="password"
        autoComplete="new-password"
        hint={NEW_PASSWORD_HINT}
        fault={form.formState.errors.newPassword?.message}
        {...form.register("newPassword")}
      />
      <button type="submit" className="button primary justify-self-start" disabled={setting.isPending}>
        {setting.isPending ? "Setting…" : "Set password"}
      </button>
    </form>
  );
}
